// The declarations of rooms that apps import.

import { execFileSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { out, root } from './common.mjs';

/** Writes the types of a room that apps import: those of its entry, and of its types.ts if there is one, in one file. */
export async function declareTypes(room) {
  const folder = out('types');
  execFileSync(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    ...['-p', join(root, room, 'tsconfig.declarations.json'), '--outDir', folder],
  ]);
  const read = (file) => readFile(join(folder, room, file), 'utf8').catch(() => '');
  const entry = (await read('index.d.ts')).replace(
    /^(?:import|export) type \{[^}]*\} from '\.\/types\.[jt]s';\n/gm,
    '',
  );
  const types = (await read('types.d.ts')) + entry;
  for (const kind of ['mts', 'cts']) await writeFile(out(`${room}.d.${kind}`), types);
  await rm(folder, { recursive: true });
}
