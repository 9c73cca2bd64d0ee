// Tells which file is a dump that a process writes right now. An app can send any path over the bus, and the module may run as
// root, so it opens only `*.partial` files of that very process, in its own folder.
import { basename, join } from 'node:path';
import { PARTIAL } from './othersFolders.ts';

/** @param folder the module's own; the module opens no file in another user's folder */
export function isPartialOf(pid: number, file: string, folder: string): boolean {
  if (file !== join(folder, 'dumps', basename(file))) return false;
  return Number(PARTIAL.exec(basename(file))?.[1]) === pid;
}
