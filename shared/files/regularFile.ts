// Opens files in folders where another user may have put something under a file's name. It follows no link, does not wait for the
// other end of a FIFO, and opens only a regular file of this user that has no second name.
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const GUARDED = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @param flags of open(2), in addition to those that guard. @throws when it is anything else, or cannot be opened */
export async function openRegular(file: string, flags: number, mode?: number): Promise<FileHandle> {
  const handle = await open(file, flags | GUARDED, mode);
  try {
    check(file, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The synchronous form. @returns the descriptor */
export function openRegularSync(file: string, flags: number, mode?: number): number {
  const fd = openSync(file, flags | GUARDED, mode);
  try {
    check(file, fstatSync(fd));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Did opening fail because something else than such a file has its name? */
export function isSomethingElse(error: unknown): boolean {
  // The errors of open(2) for a link, for a FIFO without a reader or a socket, and for a folder.
  return error instanceof SomethingElse || ['ELOOP', 'ENXIO', 'EISDIR'].includes((error as { code: string }).code);
}

class SomethingElse extends Error {}

function check(file: string, stats: Stats): void {
  const own = process.geteuid?.();
  if (!stats.isFile()) throw new SomethingElse(`${file} is no regular file`);
  if (own !== undefined && stats.uid !== own) throw new SomethingElse(`${file} belongs to user ${stats.uid}`);
  if (stats.nlink !== 1) throw new SomethingElse(`${file} has ${stats.nlink} names`);
}
