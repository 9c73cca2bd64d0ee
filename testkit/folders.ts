// Where things are, and temp folders that are gone when the test process is.

import { existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
/** What only the tests need: other Node and PM2 versions, a registry, instrumentation libraries. */
export const WORKSPACE = join(ROOT, 'test', 'workspace');
/** The fixture apps, each named after what it shows. */
export const APPS = join(ROOT, 'test', 'apps');

/** Path of a fixture app, which must exist. */
export function app(...parts: string[]): string {
  const path = join(APPS, ...parts);
  if (!existsSync(path)) throw new Error(`no fixture app ${path}`);
  return path;
}

const toRemove = new Set<string>();

/** A new folder under the temp folder, short because a Unix socket's path has at most 107 characters. It is removed at
 * the end of the process, unless PM2_OPS_KEEP is set. */
export function tempFolder(prefix = 'po-'): string {
  const base = tmpdir().length > 60 ? '/tmp' : tmpdir();
  const folder = realpathSync(mkdtempSync(join(base, prefix)));
  toRemove.add(folder);
  return folder;
}

/** Removes a temp folder before the end, or with `keep` makes it stay. */
export function releaseFolder(folder: string, keep = false): void {
  toRemove.delete(folder);
  if (!keep && !process.env.PM2_OPS_KEEP) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

process.on('exit', () => {
  for (const folder of toRemove) {
    try {
      releaseFolder(folder);
    } catch {
      // Someone still writes there; a temp folder left over is not worth failing for.
    }
  }
});
