// Notes of clients: in PostgreSQL where DATABASE_URL is set (postgres.ts), else in this worker's memory.

import type { Resource } from './resource.ts';

export interface Note {
  id: string;
  text: string;
  createdAt: string;
}

export interface Notes extends Resource {
  add(text: string): Promise<Note>;
  /** The newest ones, newest first. */
  latest(count: number): Promise<Note[]>;
}

/** How many notes a worker's memory keeps; the oldest go first. */
const KEPT = 1_000;

/** Notes without a database, to try the service out: each worker has its own and loses them when it ends. */
export function memoryNotes(): Notes {
  const notes: Note[] = [];
  let added = 0;
  return {
    name: 'notes in memory',
    async add(text) {
      const note = { id: String(++added), text, createdAt: new Date().toISOString() };
      notes.unshift(note);
      notes.length = Math.min(notes.length, KEPT);
      return note;
    },
    async latest(count) {
      return notes.slice(0, count);
    },
  };
}
