// What every part of the build shares.

import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const pkg = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** A file in dist/. */
export const out = (file) => join(root, 'dist', file);

/** The options of every bundle. */
export const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  define: {
    PM2_OPS_VERSION: JSON.stringify(pkg.version),
    // npm packs no .gitignore, so `pm2-ops init` has it from here.
    TEMPLATE_GITIGNORE: JSON.stringify(await readFile(join(root, 'app-template', '.gitignore'), 'utf8')),
  },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};
