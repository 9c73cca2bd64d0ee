// The files that diagnostics write: their names, their way from `*.partial` to their name, and the removal of old ones.
// All are 0600 in a 0700 folder: a heap dump holds every secret of the process.
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

/** Each kind has a folder of its own in the store. */
export type Kind = 'dumps' | 'profiles' | 'reports';

/** Where files go, whose they are, and how many of them stay. */
export interface Store {
  folder: string;
  /** What the app is called in the names of files (`fileNameOf`). */
  app: string;
  /** Which of the app's instances this process is: letters and digits. */
  instance: string;
  /** Newest files to keep. */
  keep: number;
  /** Their size at most, those of all apps together. */
  maxBytes: number;
  /** The setting that decides on `keep`, for hints. */
  keepSetting: string;
}

/** App, instance, pid, UTC time, ending. The app's name may hold dashes and dots itself. */
const NAME = /^(.+)-(\w+)-(\d+)-(\d{8}T\d{9}Z)\.(heapsnapshot(?:\.gz)?|json|cpuprofile|heapprofile)$/;

/**
 * Makes the folder for that kind (0700) and says where a new file goes.
 * @param ending with no dot in front, such as `heapsnapshot`
 */
export function newFile(store: Store, kind: Kind, ending: string): string {
  const folder = folderOf(store, kind);
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  return join(folder, `${store.app}-${store.instance}-${process.pid}-${time}.${ending}`);
}

/** The folder for one kind of file, made if it is not there, private to this user. */
export function folderOf({ folder: parent }: Pick<Store, 'folder'>, kind: Kind): string {
  const folder = join(parent, kind);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Creates `file.partial` empty and private, before anything is written to it. @throws when it cannot be created */
export function createPartial(file: string): string {
  const partial = `${file}.partial`;
  // `x`: not through a link, and not into a file that somebody else has made.
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
 * Closes the descriptors of this process that hold a file open. V8's snapshot writer leaves its own behind when the disk
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
export function pruneDumps(store: Store): void {
  prune(store, 'dumps', ({ app }) => app === store.app);
}

/** The same for small files, of which each instance keeps its own: a command by name makes one in every instance at once. */
export function pruneOwn(store: Store, kind: Kind): void {
  prune(store, kind, ({ app, instance }) => app === store.app && instance === store.instance);
}

interface KeptFile {
  file: string;
  app: string;
  instance: string;
  time: string;
  bytes: number;
}

function prune(store: Store, kind: Kind, isOwn: (file: KeptFile) => boolean): void {
  const { keep, maxBytes } = store;
  const folder = folderOf(store, kind);
  const files = readdirSync(folder)
    .flatMap((name): KeptFile[] => {
      const [, app, instance, , time] = NAME.exec(name) ?? [];
      if (app === undefined || instance === undefined || time === undefined) return [];
      const file = join(folder, name);
      const stats = lstatSync(file, { throwIfNoEntry: false });
      // Anything but a regular file of this user was not written by us.
      return stats?.isFile() && stats.uid === process.geteuid?.()
        ? [{ file, app, instance, time, bytes: stats.size }]
        : [];
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
