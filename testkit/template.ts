// app-template as its reader would have it after `npm ci && npm run build`, with the pm2-ops of this checkout.

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment } from './environment.ts';
import { ROOT } from './folders.ts';
import { ensureBuilt } from './package.ts';
import { runOk } from './run.ts';

export const TEMPLATE = join(ROOT, 'app-template');

/** Installs and builds the template unless that was done since its files changed. */
export async function ensureTemplateBuilt(onOutput?: (text: string) => void): Promise<void> {
  await ensureBuilt();
  await ensureInstalled(onOutput);
  const sources = ['tsconfig.json', ...filesUnder('src')];
  if (modified('dist/server.js') < Math.max(...sources.map(modified)))
    await runOk('npm', ['run', 'build'], options(TEMPLATE, onOutput));
}

/**
 * The template depends on the published pm2-ops, but no registry may have this checkout's version yet. So everything
 * else is installed as the lock file says, and pm2-ops is linked to the checkout, as `npm link` does.
 */
async function ensureInstalled(onOutput?: (text: string) => void): Promise<void> {
  const installed = join(TEMPLATE, 'node_modules');
  // A copy of the lock that was installed: times of files say nothing after a checkout.
  const stamp = join(installed, '.installed-lock.json');
  const lock = readFileSync(join(TEMPLATE, 'package-lock.json'));
  if (existsSync(stamp) && readFileSync(stamp).equals(lock)) return;
  mkdirSync(join(ROOT, '.cache'), { recursive: true });
  const folder = mkdtempSync(join(ROOT, '.cache', 'template-'));
  try {
    for (const file of ['package.json', 'package-lock.json'])
      writeFileSync(join(folder, file), withoutPm2Ops(readFileSync(join(TEMPLATE, file), 'utf8')));
    await runOk('npm', ['ci', '--no-audit', '--no-fund'], options(folder, onOutput));
    symlinkSync(ROOT, join(folder, 'node_modules', 'pm2-ops'));
    writeFileSync(join(folder, 'node_modules', '.installed-lock.json'), lock);
    rmSync(installed, { recursive: true, force: true });
    renameSync(join(folder, 'node_modules'), installed);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A package.json or a lock file that does not know of pm2-ops. */
function withoutPm2Ops(text: string): string {
  return JSON.stringify(
    JSON.parse(text, (key, value) => (key === 'pm2-ops' || key === 'node_modules/pm2-ops' ? undefined : value)),
  );
}

function options(cwd: string, onOutput?: (text: string) => void) {
  return { cwd, env: cleanEnvironment(), timeoutMs: 180_000, ...(onOutput ? { onOutput } : {}) };
}

function filesUnder(folder: string): string[] {
  return readdirSync(join(TEMPLATE, folder), { recursive: true }).map((file) => join(folder, String(file)));
}

function modified(file: string): number {
  return statSync(join(TEMPLATE, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
