// The file by which an app loads the agent itself (`node --import FILE`). It is a copy: an app whose options name a file of the
// module's own folder would not start while the module is upgraded, nor when it is uninstalled.
import { chmodSync, copyFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

/** @returns where it is, the same for every version of the module */
export function keepAgentFile(folder: string, source: string): string {
  const file = join(folder, 'agent-preload.cjs');
  const fresh = `${file}.${process.pid}`;
  copyFileSync(source, fresh);
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
  return file;
}
