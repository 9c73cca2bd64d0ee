// Runs npm as the user would, with the user's own settings.
import { spawn } from 'node:child_process';

export interface NpmRun {
  code: number | null;
  stdout: string;
  /** Both streams. */
  said: string;
}

/** Runs `npm ARGS` in that folder. @throws when there is no npm */
export function runNpm(args: readonly string[], cwd: string): Promise<NpmRun> {
  // On Windows npm is a script, which only a shell starts.
  const shell = process.platform === 'win32';
  const child = spawn('npm', args, { cwd, shell, env: ownEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  const run: NpmRun = { code: null, stdout: '', said: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    run.stdout += text;
    run.said += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    run.said += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ ...run, code }));
  });
}

/** Under npx the environment describes the package that npx runs; the user's own settings (npm_config_registry) stay. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign = /^npm_(package_|lifecycle_|command$|config_local_prefix$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([key]) => !foreign.test(key)));
}
