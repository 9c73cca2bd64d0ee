// The peers, installed from their lock file when missing or outdated, and the Node that everything here runs on.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT } from '../../testkit/folders.ts';
import { runOk } from '../../testkit/run.ts';
import { say } from '../support/report.ts';

export const PEERS = join(ROOT, 'bench', 'workspace');
const MODULES = join(PEERS, 'node_modules');

/** Node 22, because lightship and Watt need it: all candidates run on the same one. */
export const NODE = join(MODULES, 'node-22', 'bin', 'node');

export async function installPeers(): Promise<void> {
  const lock = readFileSync(join(PEERS, 'package-lock.json'));
  // A copy of the lock that was installed: times of files say nothing after a checkout.
  const installed = join(MODULES, '.installed-lock.json');
  if (!existsSync(installed) || !readFileSync(installed).equals(lock)) {
    say('installing the peers (bench/workspace)');
    await runOk('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: PEERS,
      env: cleanEnvironment(),
      timeoutMs: 600_000,
    });
    writeFileSync(installed, lock);
  }
  linkOurselves();
}

export function nodeVersion(): string {
  return execFileSync(NODE, ['--version'], { encoding: 'utf8' }).trim();
}

/** `import … from 'pm2-ops/lifecycle'` as an app has it. */
function linkOurselves(): void {
  const link = join(MODULES, 'pm2-ops');
  rmSync(link, { force: true });
  mkdirSync(MODULES, { recursive: true });
  symlinkSync(ROOT, link);
}
