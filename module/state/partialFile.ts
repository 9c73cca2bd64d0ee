// Which file is a dump that a process writes just now? The paths that are heard on the bus are an app's word, and the module may be
// root: it opens and looks at nothing but `*.partial` files of that very process, in its own folder.
import { basename, join } from 'node:path';
import { PARTIAL } from './othersFolders.ts';

/** @param folder the module's own; what is in another user's is none of ours to open */
export function isPartialOf(pid: number, file: string, folder: string): boolean {
  if (file !== join(folder, 'dumps', basename(file))) return false;
  return Number(PARTIAL.exec(basename(file))?.[1]) === pid;
}
