// The licences of packages that dist/ bundles.

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { out, root } from './common.mjs';

/** Writes the licence text of each package. Throws when one has none. */
export async function writeLicences(packages) {
  const notices = [];
  for (const name of [...packages].sort()) {
    const folder = join(root, 'node_modules', name);
    const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const file = ['LICENSE', 'LICENSE.md', 'license', 'LICENSE.txt']
      .map((f) => join(folder, f))
      .find((f) => existsSync(f));
    if (!file) throw new Error(`no licence text found for ${name}, which dist/ bundles`);
    notices.push(`${name} ${version} (${license})\n\n${await readFile(file, 'utf8')}`);
  }
  await writeFile(out('THIRD_PARTY_LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`));
}
