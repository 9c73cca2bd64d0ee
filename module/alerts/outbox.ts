// What outlives the module, in one file: the open incidents, the alerts that are still to be delivered, and the last that were. The
// file is written whole and renamed before anything is sent. It is not synced: a module that is killed loses nothing, a host that
// loses its power may lose the last seconds.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import type { Alert, AlertChannel, PastAlert } from '../../contract/alerts.ts';
import type { SavedIncidents } from './incidents.ts';

/** In the state folder. */
const FILE = 'alerts.json';
const VERSION = 1;

export interface Saved {
  incidents: SavedIncidents;
  /** The oldest first. */
  waiting: Partial<Record<AlertChannel, Alert[]>>;
  /** The newest first. */
  past: PastAlert[];
}

export interface Outbox {
  read(): Saved;
  /** Never throws: where the file cannot be written, alerts are delivered from memory, and the log says so once. */
  write(saved: Saved): void;
}

const severity = z.enum(['critical', 'warning', 'info']);
const incident = {
  key: z.string(),
  state: z.enum(['firing', 'resolved']),
  severity,
  title: z.string(),
  details: z.array(z.string()),
  app: z.optional(z.object({ namespace: z.string(), name: z.string() })),
  process: z.optional(z.object({ pmId: z.union([z.number(), z.string()]), pid: z.number() })),
  next: z.optional(z.string()),
  at: z.number(),
  since: z.number(),
  count: z.number(),
};
const alert = z.object({ ...incident, id: z.string(), host: z.string(), version: z.string() });
const kept = z.object({
  ...incident,
  lastAt: z.number(),
  toldAt: z.optional(z.number()),
  toldAs: z.optional(severity),
  exits: z.optional(
    z.object({
      pmIds: z.array(z.union([z.number(), z.string()])),
      lastRecord: z.string(),
      quietSince: z.number(),
      leftStopped: z.boolean(),
    }),
  ),
});
const past = z.object({
  ok: z.boolean(),
  said: z.string(),
  id: z.string(),
  channel: z.enum(['webhook', 'program']),
  state: z.enum(['firing', 'resolved']),
  severity,
  title: z.string(),
  at: z.number(),
});
const files = z.object({
  version: z.literal(VERSION),
  incidents: z.object({ open: z.array(kept), counted: z.array(z.tuple([z.string(), z.string()])) }),
  waiting: z.object({ webhook: z.optional(z.array(alert)), program: z.optional(z.array(alert)) }),
  past: z.array(past),
});

/** @param folder the module's own, `$PM2_HOME/pm2-ops` */
export function openOutbox(folder: string, log: (line: string) => void): Outbox {
  const file = join(folder, FILE);
  let isBroken = false;
  return {
    read() {
      try {
        return files.parse(JSON.parse(readFileSync(file, 'utf8'))) as Saved;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          log(`alerts: begins anew, because ${file} cannot be read: ${(error as Error).message.split('\n')[0]}`);
        return { incidents: { open: [], counted: [] }, waiting: {}, past: [] };
      }
    },
    write(saved) {
      const partial = `${file}.partial`;
      try {
        writeFileSync(partial, JSON.stringify({ version: VERSION, ...saved }), { mode: 0o600 });
        renameSync(partial, file);
        isBroken = false;
      } catch (error) {
        if (!isBroken) log(`alerts: would be lost with the module: ${(error as Error).message}`);
        isBroken = true;
      }
    },
  };
}
