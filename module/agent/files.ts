// Files that actions leave behind: their names, their way from `*.partial` to their name, and the pruning of old dumps.
// All 0600 in a 0700 folder: a heap dump holds every secret of the process.
import { chmodSync, closeSync, mkdirSync, openSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';

/** App, pm_id, pid, UTC time, ending; the app's name may hold dashes and dots itself. */
const NAME = /^(.+)-(\w+)-(\d+)-(\d{8}T\d{9}Z)\.(heapsnapshot(?:\.gz)?|json)$/;

/**
 * Makes `stateDir/kind` (0700) and says where a new file of that kind goes.
 * @param ending with no dot in front, such as `heapsnapshot`
 */
export function newFile(stateDir: string, kind: 'dumps' | 'reports', ending: string): string {
  const folder = folderOf(stateDir, kind);
  const time = new Date().toISOString().replace(/[-:.]/g, '');
  return join(folder, `${appName()}-${process.env.pm_id ?? 'x'}-${process.pid}-${time}.${ending}`);
}

/** The folder for one kind of file, made if it is not there, private to this user. */
export function folderOf(stateDir: string, kind: 'dumps' | 'reports'): string {
  const folder = join(stateDir, kind);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder;
}

/** Creates `file.partial` empty and private, before anything is written to it. @throws when it cannot be created */
export function createPartial(file: string): string {
  const partial = `${file}.partial`;
  closeSync(openSync(partial, 'wx', 0o600));
  chmodSync(partial, 0o600);
  return partial;
}

/** Makes a finished `*.partial` durable and gives it its name. @returns its size in bytes */
export async function publish(partial: string, file: string): Promise<number> {
  const handle = await open(partial, 'r');
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
  const folder = folderOf(stateDir, 'dumps');
  const dumps = readdirSync(folder)
    .flatMap((name) => {
      const [, app, , , time] = NAME.exec(name) ?? [];
      return app === undefined || time === undefined ? [] : [{ file: join(folder, name), app, time }];
    })
    .sort((a, b) => (a.time < b.time ? 1 : -1));
  const ofThisApp = dumps.filter(({ app }) => app === appName());
  const surplus = new Set(ofThisApp.slice(Math.max(1, keep)));
  let total = 0;
  for (const [index, dump] of dumps.entries()) {
    if (surplus.has(dump)) continue;
    total += statSync(dump.file, { throwIfNoEntry: false })?.size ?? 0;
    if (index > 0 && total > maxBytes) surplus.add(dump);
  }
  for (const { file } of surplus) discard(file);
}

function appName(): string {
  return (process.env.name ?? 'app').replace(/[^\w.-]/g, '_').slice(0, 100);
}
