// A copy of the checkout to be changed: the checkout itself is never touched.

import { cpSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

/** Built, downloaded or not ours: not copied. */
const LEFT_OUT = new Set(['.git', '.cache', '.next', 'dist', 'node_modules']);
/** Folders whose dependencies the copy shares. */
const INSTALLED = ['.', 'test/workspace', 'test/frameworks', 'test/replaced', 'app-template'];

/** Copies the sources of a checkout, uncommitted changes included, and links what is installed in it. */
export function copyCheckout(root: string, to: string): void {
  cpSync(root, to, { recursive: true, filter: (path) => path === root || !LEFT_OUT.has(basename(path)) });
  for (const folder of INSTALLED) {
    const installed = join(root, folder, 'node_modules');
    if (!existsSync(installed)) continue;
    mkdirSync(join(to, folder), { recursive: true });
    symlinkSync(installed, join(to, relative(root, installed)));
  }
}
