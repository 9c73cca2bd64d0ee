// What only tests need, installed when it is missing or outdated.

import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** A folder below test/ with a lock file of its own. @throws when npm fails, with what it said */
export async function installWorkspace(name: string, what: string): Promise<void> {
  const workspace = join(ROOT, 'test', name);
  const lock = readFileSync(join(workspace, 'package-lock.json'));
  // A copy of the lock that was installed: times of files say nothing after a checkout.
  const installed = join(workspace, 'node_modules', '.installed-lock.json');
  if (existsSync(installed) && readFileSync(installed).equals(lock)) return;
  console.log(`Installing what only the tests need (test/${name}: ${what}) …`);
  const began = performance.now();
  await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], workspace);
  writeFileSync(installed, lock);
  console.log(`Installed test/${name} in ${Math.round((performance.now() - began) / 1000)} s.`);
}

/** app-template, here where the npm registry can be reached. @throws when that fails, with what was said */
export async function installTemplate(): Promise<void> {
  await run(process.execPath, ['--import', 'tsx', 'scripts/template.ts'], ROOT);
}

/** Its output is shown only when it fails, because several run at once. */
function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${[command, ...args].join(' ')} in ${cwd} ended with ${code}\n${said}`));
    });
  });
}
