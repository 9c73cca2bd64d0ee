// Tells how much of a file a process has written. V8 blocks the process for that time, so it cannot say so itself.
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { isPartialOf } from './partialFile.ts';
import { uidOf } from './state.ts';

/**
 * @param file the path that the process has sent; the module looks only at a `*.partial` file of that process
 * @param folder the module's own
 * @returns bytes; undefined if /proc and the file do not tell. Never throws.
 */
export async function writtenBytes(pid: number, file: string, folder: string): Promise<number | undefined> {
  try {
    if (uidOf(pid) !== process.geteuid?.()) return await positionIn(pid, file);
    if (!isPartialOf(pid, file, folder)) return undefined;
    const stats = await lstat(file);
    return stats.isFile() ? stats.size : undefined;
  } catch {
    return undefined;
  }
}

/** Reads the position from /proc: a file system that another user has mounted in their folder may never answer. */
async function positionIn(pid: number, file: string): Promise<number | undefined> {
  const fds = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  const fd = fds[targets.indexOf(file)];
  if (fd === undefined) return undefined;
  const position = /^pos:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
  return position === undefined ? undefined : Number(position);
}
