// The file with which an app loads the agent itself (`node --import FILE`). It is a copy outside the module's own folder, so that
// the app still starts while the module is upgraded, and after it is uninstalled.
import { chmodSync, copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/** Writes the file into `folder`. @returns its path, which is the same for every version of the module */
export function keepAgentFile(folder: string, source: string): string {
  const file = join(folder, 'agent-preload.cjs');
  const fresh = `${file}.${process.pid}`;
  copyFileSync(source, fresh);
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
  return file;
}
