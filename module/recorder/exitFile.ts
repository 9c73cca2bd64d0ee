// The exits of one app in a file, one line of JSON each. Only the places of the lines stay in memory. A later line with the id of an
// earlier one takes its place.
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import type { ExitRecord } from '../../contract/exits.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';
import { fromLine, HEAD_BYTES, headOf, type LineHead } from './storedRecord.ts';

/** Where a record stands in the file, in bytes, and what is asked for. */
export interface Entry extends LineHead {
  start: number;
  length: number;
}

export interface ExitFile {
  /** Its records, oldest first. @throws when the file cannot be read */
  entries(): readonly Entry[];
  /** The record of an entry; undefined if the file has changed meanwhile. */
  read(entry: Entry): ExitRecord | undefined;
  /** Writes a line at once. @throws when the disk refuses; then the file is as before, or its last line is torn */
  append(line: string): void;
  /** Its size in bytes. */
  size(): number;
  /** Keeps the newest records that fit, at least one, in a new file that takes the place of the old one. @throws if it cannot */
  shrink(maxBytes: number): void;
}

/** A new file that has not taken its place yet. */
export const UNFINISHED = /\.jsonl\.\d+\.new$/;
const LINE_BREAK = 0x0a;

/** @param file its path; it may not exist yet */
export function openExitFile(file: string): ExitFile {
  /** The size of the file when it was read, or -1. */
  let known = -1;
  let entries: Entry[] = [];

  return {
    entries() {
      look(readWhole);
      return entries;
    },
    read(entry) {
      const text = look(({ fd }) => {
        const line = Buffer.alloc(entry.length);
        return line.toString('utf8', 0, readSync(fd, line, 0, line.length, entry.start));
      });
      const record = text === undefined ? undefined : fromLine(text);
      return record?.id === entry.id ? record : undefined;
    },
    append(line) {
      const fd = openRegularSync(file, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
      try {
        const { size } = fstatSync(fd);
        const bytes = Buffer.from(`${endsTorn(fd, size) ? '\n' : ''}${line}\n`);
        try {
          writeAll(fd, bytes);
        } catch (error) {
          ftruncateSync(fd, size);
          throw error;
        }
      } finally {
        closeSync(fd);
      }
    },
    size: () => statSync(file, { throwIfNoEntry: false })?.size ?? 0,
    shrink(maxBytes) {
      look(readWhole);
      const kept: Entry[] = [];
      let bytes = 0;
      for (const entry of entries.toReversed()) {
        if (bytes + entry.length + 1 > maxBytes && kept.length > 0) break;
        bytes += entry.length + 1;
        kept.push(entry);
      }
      if (bytes === known) return;
      const lines = look(({ fd }) =>
        Buffer.concat(
          kept.reverse().map(({ start, length }) => {
            const line = Buffer.alloc(length + 1, LINE_BREAK);
            readSync(fd, line, 0, length, start);
            return line;
          }),
        ),
      );
      replace(lines ?? Buffer.alloc(0));
    },
  };

  /** Opens the file and looks into it. @returns undefined if there is no file */
  function look<T>(at: (open: { fd: number; size: number }) => T): T | undefined {
    let fd: number;
    try {
      fd = openRegularSync(file, constants.O_RDONLY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      known = -1;
      entries = [];
      return undefined;
    }
    try {
      return at({ fd, size: fstatSync(fd).size });
    } finally {
      closeSync(fd);
    }
  }

  /** Notes where the records stand, unless the file is as it was. */
  function readWhole({ fd, size }: { fd: number; size: number }): void {
    if (size === known) return;
    const bytes = Buffer.alloc(size);
    const read = readSync(fd, bytes, 0, size, 0);
    const found = new Map<string, Entry>();
    for (let start = 0; start < read; ) {
      const end = bytes.indexOf(LINE_BREAK, start);
      const length = (end < 0 ? read : end) - start;
      const stop = start + length;
      const head = headOf(
        bytes.toString('utf8', start, Math.min(stop, start + HEAD_BYTES)),
        bytes.toString('utf8', Math.max(start, stop - 20), stop),
      );
      if (head) found.set(head.id, { ...head, start, length });
      start += length + 1;
    }
    entries = [...found.values()].sort((a, b) => a.at - b.at);
    known = size;
  }

  function replace(bytes: Buffer): void {
    known = -1;
    if (bytes.length === 0) {
      rmSync(file, { force: true });
      return;
    }
    const fresh = `${file}.${process.pid}.new`;
    const fd = openRegularSync(fresh, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o600);
    try {
      writeAll(fd, bytes);
      // Before the rename, so that a host that loses its power has one file or the other.
      fsyncSync(fd);
    } catch (error) {
      rmSync(fresh, { force: true });
      throw error;
    } finally {
      closeSync(fd);
    }
    renameSync(fresh, file);
  }
}

/** Was the writer of the last line killed in the middle of it? */
function endsTorn(fd: number, size: number): boolean {
  const last = Buffer.alloc(1);
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== LINE_BREAK;
}

/** A full disk may take a part of what is written first. */
function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
