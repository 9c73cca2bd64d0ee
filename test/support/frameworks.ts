// The frameworks that a reload is tested with: a workspace of their own, installed only when those tests run.

import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT } from '../../testkit/folders.ts';
import { runOk } from '../../testkit/run.ts';

/** Each app is named after its framework. */
export const FRAMEWORKS = join(ROOT, 'test', 'frameworks');
/** The JavaScript that `next build` and `next start` run. */
export const NEXT = join(FRAMEWORKS, 'node_modules', 'next', 'dist', 'bin', 'next');
/** The Next.js app. */
export const NEXT_APP = join(FRAMEWORKS, 'next');
/** Next.js would report the build and each start. */
export const NEXT_ENV = { NEXT_TELEMETRY_DISABLED: '1' };

/** `next build`, unless that was done since the app or the lock file changed. Needs no network. */
export async function ensureNextBuilt(): Promise<void> {
  const built = join(NEXT_APP, '.next', '.built-from');
  const now = hashOf([join(FRAMEWORKS, 'package-lock.json'), ...filesOf(NEXT_APP)]);
  if (existsSync(built) && readFileSync(built, 'utf8') === now) return;
  await runOk(process.execPath, [NEXT, 'build'], {
    cwd: NEXT_APP,
    env: cleanEnvironment(NEXT_ENV),
    timeoutMs: 240_000,
  });
  writeFileSync(built, now);
}

/** What is not made by the build. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !file.startsWith(join(folder, '.next')))
    .sort();
}

function hashOf(files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${file}\0`).update(readFileSync(file));
  return hash.digest('hex');
}
