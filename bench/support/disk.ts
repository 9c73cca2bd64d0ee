// What an installation leaves on disk.

import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of all files under a folder, as they are long (not as many blocks as they take). */
export function bytesUnder(folder: string): number {
  return filesUnder(folder).reduce((total, file) => total + lstatSync(file).size, 0);
}

export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Packages in a node_modules folder, those nested in others included. */
export function packagesIn(nodeModules: string): number {
  if (!existsSync(nodeModules)) return 0;
  const folders = readdirSync(nodeModules, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .flatMap(({ name }) => {
      const path = join(nodeModules, name);
      return name.startsWith('@') ? readdirSync(path).map((inner) => join(path, inner)) : path;
    });
  return folders.reduce((total, folder) => total + 1 + packagesIn(join(folder, 'node_modules')), 0);
}
