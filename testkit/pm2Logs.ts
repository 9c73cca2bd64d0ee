// What the processes of a daemon wrote to their logs.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Everything that processes called `name` (all of them with an empty name) wrote to the logs in this folder. */
export function logsIn(folder: string, name: string): string {
  if (!existsSync(folder)) return '';
  return readdirSync(folder)
    .filter(
      (file) =>
        name === '' ||
        file === `${name}-out.log` ||
        file === `${name}-error.log` ||
        file.startsWith(`${name}-out-`) ||
        file.startsWith(`${name}-error-`),
    )
    .map((file) => `--- ${file}\n${readFileSync(join(folder, file), 'utf8')}`)
    .join('\n');
}
