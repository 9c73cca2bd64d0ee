// Files that actions leave behind: their names, their way from `*.partial` to their name, and the pruning of old dumps.
// All 0600 in a 0700 folder: a heap dump holds every secret of the process.
import {
  closeSync,
  constants,
  fchmodSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { openRegular } from '../shared/files/regularFile.ts';
import { fileNameOf } from './fileNameOf.ts';

export type Kind = 'dumps' | 'profiles' | 'reports';

/** App, pm_id, pid, UTC time, ending; the app's name may hold dashes and dots itself. */
const NAME = /^(.+)-(\w+)-(\d+)-(\d{8}T\d{9}Z)\.(heapsnapshot(?:\.gz)?|json|cpuprofile|heapprofile)$/;

/**
 * Makes `stateDir/kind` (0700) and says where a new file of that kind goes.
 * @param ending with no dot in front, such as `heapsnapshot`
 */
export function newFile(stateDir: string, kind: Kind, ending: string): string {
  const folder = folderOf(stateDir, kind);
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  return join(folder, `${appName()}-${pmId()}-${process.pid}-${time}.${ending}`);
}

/** The folder for one kind of file, made if it is not there, private to this user. */
export function folderOf(stateDir: string, kind: Kind): string {
  const folder = join(stateDir, kind);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Creates `file.partial` empty and private, before anything is written to it. @throws when it cannot be created */
export function createPartial(file: string): string {
  const partial = `${file}.partial`;
  // `x`: not through a link, and not into what somebody else has made.
  const fd = openSync(partial, 'wx', 0o600);
  try {
    fchmodSync(fd, 0o600);
  } finally {
    closeSync(fd);
  }
  return partial;
}

/** Makes a finished `*.partial` durable and gives it its name. @returns its size in bytes */
export async function publish(partial: string, file: string): Promise<number> {
  const handle = await openRegular(partial, constants.O_RDONLY);
  let size: number;
  try {
    await handle.sync();
    size = (await handle.stat()).size;
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  return size;
}

/**
 * Closes whatever in this process still holds a file open. V8's snapshot writer leaves its descriptor behind when the disk
 * is full (src/heap_utils.cc, WriteSnapshot), and with it the space of the file that we then remove.
 */
export function closeLeftOpen(file: string): void {
  try {
    for (const fd of readdirSync('/proc/self/fd')) {
      if (linkTarget(`/proc/self/fd/${fd}`) === file) closeSync(Number(fd));
    }
  } catch {
    // No /proc: the descriptor stays until the process ends.
  }
}

function linkTarget(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined;
  }
}

/** Removes a file that may not be there; never throws. */
export function discard(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {}
}

/**
 * Removes old dumps, oldest first: those of this app beyond `keep`, then any beyond `maxBytes` in all. Never the newest
 * one and never one that is being written.
 */
export function pruneDumps(stateDir: string, keep: number, maxBytes: number): void {
  prune(stateDir, 'dumps', keep, maxBytes, ({ app }) => app === appName());
}

/**
 * The same for what is small, where each instance keeps its own: a trigger by name makes one in every instance at once.
 */
export function pruneOwn(stateDir: string, kind: Kind, keep: number, maxBytes: number): void {
  prune(stateDir, kind, keep, maxBytes, ({ app, id }) => app === appName() && id === pmId());
}

interface KeptFile {
  file: string;
  app: string;
  id: string;
  time: string;
  bytes: number;
}

function prune(stateDir: string, kind: Kind, keep: number, maxBytes: number, isOwn: (file: KeptFile) => boolean): void {
  const folder = folderOf(stateDir, kind);
  const files = readdirSync(folder)
    .flatMap((name): KeptFile[] => {
      const [, app, id, , time] = NAME.exec(name) ?? [];
      if (app === undefined || id === undefined || time === undefined) return [];
      const file = join(folder, name);
      const stats = lstatSync(file, { throwIfNoEntry: false });
      // What is no file of this user's was not written by an agent of theirs.
      return stats?.isFile() && stats.uid === process.geteuid?.() ? [{ file, app, id, time, bytes: stats.size }] : [];
    })
    .sort((a, b) => (a.time < b.time ? 1 : -1));
  const surplus = new Set(files.filter(isOwn).slice(Math.max(1, keep)));
  let total = 0;
  for (const [index, each] of files.entries()) {
    if (surplus.has(each)) continue;
    total += each.bytes;
    if (index > 0 && total > maxBytes) surplus.add(each);
  }
  for (const { file } of surplus) discard(file);
}

function pmId(): string {
  return process.env.pm_id ?? 'x';
}

function appName(): string {
  return fileNameOf(process.env.name ?? 'app', process.env.namespace);
}
