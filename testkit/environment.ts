// The environment that a user's shell would have: nothing of npm, of PM2 or of the test runner leaks into it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOk } from './run.ts';

const FOREIGN =
  /^(npm_|PM2|pm_|NODE_TEST_CONTEXT$|NODE_OPTIONS$|NODE_V8_COVERAGE$|NODE_APP_INSTANCE$|NODE_CHANNEL|INIT_CWD$|FORCE_COLOR$)/i;

export function cleanEnvironment(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const [key, value] of Object.entries(process.env)) if (!FOREIGN.test(key)) env[key] = value;
  return { ...env, NO_COLOR: '1', ...extra };
}

/** What npm needs to reach its registry from here. */
const CARRIED = ['registry', 'cafile', 'proxy', 'https-proxy', 'noproxy', 'strict-ssl', 'cache'];
let settings: Promise<Record<string, unknown>> | undefined;

/** The caller's npm configuration, read once. */
export function npmSettings(): Promise<Record<string, unknown>> {
  settings ??= runOk('npm', ['config', 'list', '--json'], { env: cleanEnvironment() }).then(
    ({ stdout }) => JSON.parse(stdout) as Record<string, unknown>,
  );
  return settings;
}

/** Writes an `.npmrc` into a home of our own, so that npm works there as it does for the caller: same registry, proxy,
 * credentials and cache. `overrides` win. */
export async function writeNpmrc(home: string, overrides: Record<string, string> = {}): Promise<void> {
  const config = await npmSettings();
  const lines = ['audit=false', 'fund=false', 'update-notifier=false'];
  for (const key of CARRIED) {
    const value = config[key];
    if (value === null || value === undefined || value === '' || key in overrides) continue;
    lines.push(`${key}=${Array.isArray(value) ? value.join(',') : String(value)}`);
  }
  for (const [key, value] of Object.entries(overrides)) lines.push(`${key}=${value}`);
  try {
    const own = readFileSync(String(config.userconfig), 'utf8');
    lines.push(...own.split('\n').filter((line) => line.startsWith('//')));
  } catch {
    // No user configuration, so no credentials to carry over.
  }
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, '.npmrc'), `${lines.join('\n')}\n`, { mode: 0o600 });
}
