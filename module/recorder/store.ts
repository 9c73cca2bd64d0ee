// Keeps the records of exits on disk, bounded, so that they outlive the module, the daemon and the app itself.
import { createHash } from 'node:crypto';
import { closeSync, constants, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type App, appOf, type OfApp } from '../../contract/app.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import { isSameSlot, type PmId, slotOf } from '../../contract/pmId.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';
import { makePrivate } from '../state/state.ts';
import { type ExitFile, openExitFile, UNFINISHED } from './exitFile.ts';
import { bounded, toLine } from './storedRecord.ts';

/** Of all that is kept, what one app may have: an app in a restart loop leaves room for the others. */
const SHARE_OF_ONE_APP = 1 / 8;
/** A file over its bound is cut to this part of it, so that not every exit rewrites it. */
const KEPT = 3 / 4;
/** Bytes of one record; where little is kept, a quarter of an app's share. */
const MOST_BYTES = 64 * 1024;
/** Apps whose exits are kept, those that are gone included: a preview of each branch may have an app of its own. */
const MOST_APPS = 1_000;
/** Records that wait in memory for a disk that refuses them. */
const MOST_WAITING = 100;

export interface ExitQuestion {
  /** Of these apps; of all unless told. */
  apps?: readonly App[];
  /** Of this process and those that had its id before. */
  pmId?: PmId;
  /** The newest so many. */
  last?: number;
  /** None that ended before, in milliseconds of Date.now(). */
  since?: number;
}

export interface ExitStore {
  /** Keeps a record; one with the same id takes the place of the earlier. It is in the file when this returns. Never throws. */
  put(record: ExitRecord): void;
  /** The records that a question is about, newest first, and how many more it fits. Never throws. */
  read(question: ExitQuestion): { exits: ExitRecord[]; more: number };
  /** The newest exit of an app, or of one of its processes. Never throws. */
  last(app: App, pmId?: PmId): ExitRecord | undefined;
  /** Every app with a record, those included that PM2 no longer manages, and the ids that its processes had. Never throws. */
  apps(): (OfApp & { pmIds: PmId[] })[];
  /** When the first exit could have been recorded, in milliseconds of Date.now(). */
  readonly since: number;
}

export interface ExitStoreOptions {
  /** The state folder, `$PM2_HOME/pm2-ops`. */
  folder: string;
  /** For all apps together. */
  maxBytes: number;
  /** Gets a line when the disk refuses, once until it takes records again. */
  log(line: string): void;
}

/** Opens `exits/` in the state folder. Never throws: without a usable folder, the newest records are kept in memory. */
export function openExitStore({ folder: stateFolder, maxBytes, log }: ExitStoreOptions): ExitStore {
  const folder = join(stateFolder, 'exits');
  const appBytes = Math.floor(maxBytes * SHARE_OF_ONE_APP);
  const recordBytes = Math.min(MOST_BYTES, Math.floor(appBytes / 4));
  const files = new Map<string, ExitFile>();
  /** By id: records that are on no disk yet. */
  const waiting = new Map<string, ExitRecord>();
  let isRefused = false;
  let since = Date.now();

  attempt(() => {
    makePrivate(folder);
    for (const name of readdirSync(folder)) {
      if (UNFINISHED.test(name)) rmSync(join(folder, name), { force: true });
      else if (name.endsWith('.jsonl')) fileNamed(name);
    }
    since = noteTime(join(folder, 'since'));
  });

  return {
    since,
    put(record) {
      waiting.delete(record.id);
      waiting.set(record.id, bounded(record));
      attempt(() => {
        for (const each of waiting.values()) {
          write(each);
          waiting.delete(each.id);
        }
      });
      for (const id of waiting.keys()) {
        if (waiting.size <= MOST_WAITING) break;
        waiting.delete(id);
      }
    },
    read,
    last: (app, pmId) => read({ apps: [app], ...(pmId === undefined ? {} : { pmId }), last: 1 }).exits[0],
    apps() {
      const found = new Map<App, OfApp & { pmIds: PmId[] }>();
      for (const { namespace, name, pmId } of [...entriesOf([...files.values()]), ...waiting.values()]) {
        const app = appOf({ namespace, name });
        const known = found.get(app) ?? { namespace, name, pmIds: [] };
        found.set(app, known);
        if (!known.pmIds.includes(slotOf(pmId))) known.pmIds.push(slotOf(pmId));
      }
      return [...found.values()];
    },
  };

  function read({ apps, pmId, last = Number.POSITIVE_INFINITY, since = 0 }: ExitQuestion) {
    const names = apps?.map(fileNameOf);
    const asked = names ? names.flatMap((name) => files.get(name) ?? []) : [...files.values()];
    const isMeant = (each: { at: number; pmId: PmId }) =>
      each.at >= since && (pmId === undefined || isSameSlot(each.pmId, pmId));
    const inMemory = [...waiting.values()].filter((each) => isMeant(each) && (apps?.includes(appOf(each)) ?? true));
    const onDisk = entriesOf(asked).filter((each) => isMeant(each) && !waiting.has(each.id));
    const meant = [
      ...inMemory.map((record) => ({ at: record.at, get: () => record })),
      ...onDisk.map((entry) => ({ at: entry.at, get: () => quietly(() => entry.file.read(entry)) })),
    ].sort((a, b) => b.at - a.at);
    const shown = meant.slice(0, Math.min(last, meant.length));
    return { exits: shown.flatMap(({ get }) => get() ?? []), more: meant.length - shown.length };
  }

  function entriesOf(of: readonly ExitFile[]) {
    return of.flatMap((file) => (quietly(() => file.entries()) ?? []).map((entry) => ({ ...entry, file })));
  }

  function write(record: ExitRecord): void {
    const line = toLine(record, recordBytes);
    const file = fileNamed(fileNameOf(appOf(record)));
    const bytes = Buffer.byteLength(line) + 1;
    if (file.size() + bytes > appBytes) file.shrink(appBytes * KEPT);
    makePrivate(folder);
    file.append(line);
    boundAll();
  }

  /** Takes from the apps that have most, so that the only exit of a quiet app outlives thousands of a loud one. */
  function boundAll(): void {
    const sized = [...files].map(([name, file]) => ({ name, file, bytes: file.size() }));
    const sum = () => sized.reduce((bytes, each) => bytes + each.bytes, 0);
    if (sum() <= maxBytes && sized.length <= MOST_APPS) return;
    const share = fairShare(
      sized.map(({ bytes }) => bytes),
      maxBytes * KEPT,
    );
    for (const each of sized) {
      if (each.bytes <= share) continue;
      each.file.shrink(share);
      each.bytes = each.file.size();
    }
    // So many apps that one record of each is too much: the app that has ended longest ago goes.
    const newest = new Map(sized.map(({ name, file }) => [name, file.entries().at(-1)?.at ?? 0]));
    sized.sort((a, b) => (newest.get(b.name) ?? 0) - (newest.get(a.name) ?? 0));
    while (sized.length > 1 && (sum() > maxBytes || sized.length > MOST_APPS)) {
      const name = sized.pop()?.name ?? '';
      rmSync(join(folder, name), { force: true });
      files.delete(name);
    }
  }

  function fileNamed(name: string): ExitFile {
    const file = files.get(name) ?? openExitFile(join(folder, name));
    files.set(name, file);
    return file;
  }

  /** Tries something that needs the disk. A failure is logged once, until something succeeds. */
  function attempt(act: () => void): void {
    try {
      act();
      isRefused = false;
    } catch (error) {
      if (!isRefused) {
        const why = (error as Error).message;
        log(`exits cannot be written to ${folder} (${why}): the newest ${MOST_WAITING} stay in memory until they can`);
      }
      isRefused = true;
    }
  }
}

/** The most bytes for each, so that all together have `total`: what the small ones leave is for the large. */
function fairShare(sizes: readonly number[], total: number): number {
  let left = total;
  for (const [at, size] of sizes.toSorted((a, b) => a - b).entries()) {
    const share = left / (sizes.length - at);
    if (size > share) return share;
    left -= size;
  }
  return Number.POSITIVE_INFINITY;
}

/** The name of an app's file: a part for a person, and a hash, because a name may contain any character. */
function fileNameOf(app: App): string {
  const [, name] = JSON.parse(app) as [string, string];
  const hash = createHash('sha256').update(app).digest('hex').slice(0, 16);
  return `${name.replaceAll(/[^\w-]/g, '_').slice(0, 40)}-${hash}.jsonl`;
}

/** The time that a file holds; the first who comes writes the present one. */
function noteTime(file: string): number {
  const fd = openRegularSync(file, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    const noted = Number(readFileSync(fd, 'utf8'));
    if (noted > 0) return noted;
    const now = Date.now();
    writeSync(fd, String(now), 0);
    return now;
  } finally {
    closeSync(fd);
  }
}

/** What an unreadable file would tell is nothing. */
function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
