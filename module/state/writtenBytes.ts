// How far a process is with a file that it writes, while it can say nothing itself.
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { isPartialOf } from './partialFile.ts';
import { uidOf } from './state.ts';

/**
 * @param file as the process has named it: only a `*.partial` of its own is looked at
 * @param folder the module's own
 * @returns bytes; undefined where that cannot be seen. Never throws.
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

/** Read from what the process has open: in another user's folder nothing is looked at that may never answer. */
async function positionIn(pid: number, file: string): Promise<number | undefined> {
  const fds = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
  const fd = fds[targets.indexOf(file)];
  if (fd === undefined) return undefined;
  const position = /^pos:\s+(\d+)$/m.exec(await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))?.[1];
  return position === undefined ? undefined : Number(position);
}
