// Opens files in folders where somebody else may have put something under a file's name: never through a link, never waiting
// for the other end of a FIFO, and nothing but a regular file of this user's with no second name.
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const GUARDED = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @param flags of open(2), beside those that guard. @throws when it is anything else, or cannot be opened */
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

/** The same at once. @returns the descriptor */
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

/** Was a file not opened because something else has its name? */
export function isSomethingElse(error: unknown): boolean {
  // What open(2) says of a link, of a FIFO that nobody reads or a socket, and of a folder.
  return error instanceof SomethingElse || ['ELOOP', 'ENXIO', 'EISDIR'].includes((error as { code: string }).code);
}

class SomethingElse extends Error {}

function check(file: string, stats: Stats): void {
  const own = process.geteuid?.();
  if (!stats.isFile()) throw new SomethingElse(`${file} is no regular file`);
  if (own !== undefined && stats.uid !== own) throw new SomethingElse(`${file} belongs to user ${stats.uid}`);
  if (stats.nlink !== 1) throw new SomethingElse(`${file} has ${stats.nlink} names`);
}
