// Files that an app loads before its own code, such as the agent (`node --import FILE`). They are copies outside the module's own
// folder, so that the app still starts while the module is upgraded, and after it is uninstalled.
import { chmodSync, copyFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Copies the file into `folder`. @returns its path, which is the same for every version of the module */
export function keepFile(folder: string, source: string): string {
  const file = join(folder, basename(source));
  const fresh = `${file}.${process.pid}`;
  copyFileSync(source, fresh);
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
  return file;
}
