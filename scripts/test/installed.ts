// What only tests need, installed when it is missing or outdated.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** A folder below test/ with a lock file of its own. Ends the process where that fails. */
export function installWorkspace(name: string, what: string): void {
  const workspace = join(ROOT, 'test', name);
  const lock = readFileSync(join(workspace, 'package-lock.json'));
  // A copy of the lock that was installed: times of files say nothing after a checkout.
  const installed = join(workspace, 'node_modules', '.installed-lock.json');
  if (existsSync(installed) && readFileSync(installed).equals(lock)) return;
  console.log(`Installing what only the tests need (test/${name}: ${what}) …`);
  const began = performance.now();
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: workspace,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(installed, lock);
  console.log(`Installed in ${Math.round((performance.now() - began) / 1000)} s.`);
}

/** app-template, here where the npm registry can be reached. */
export function installTemplate(): void {
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'scripts/template.ts'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
