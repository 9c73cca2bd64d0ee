// app-template as its reader would have it after `npm ci && npm run build`.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment } from './environment.ts';
import { ROOT } from './folders.ts';
import { runOk } from './run.ts';

const TEMPLATE = join(ROOT, 'app-template');

/** Installs and builds the template unless that was done since its files changed. */
export async function ensureTemplateBuilt(onOutput?: (text: string) => void): Promise<void> {
  const options = { cwd: TEMPLATE, env: cleanEnvironment(), timeoutMs: 180_000, ...(onOutput ? { onOutput } : {}) };
  if (modified('node_modules/.package-lock.json') < modified('package-lock.json'))
    await runOk('npm', ['ci', '--no-audit', '--no-fund'], options);
  const sources = ['tsconfig.json', ...readdirSync(join(TEMPLATE, 'src')).map((file) => join('src', file))];
  if (modified('dist/server.js') < Math.max(...sources.map(modified))) await runOk('npm', ['run', 'build'], options);
}

function modified(file: string): number {
  return statSync(join(TEMPLATE, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
