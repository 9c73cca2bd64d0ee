// The `pm2-ops` command as a user has it, against one daemon.
import { join } from 'node:path';
import { ROOT } from './folders.ts';
import type { Pm2 } from './pm2.ts';
import { type RunResult, run } from './run.ts';

/** Runs `pm2-ops …args`; any exit code is an answer. */
export function command(pm2: Pm2, ...args: string[]): Promise<RunResult> {
  return run(process.execPath, [join(ROOT, 'dist/cli.mjs'), ...args], { env: pm2.env, timeoutMs: 90_000 });
}

/** What it printed with `--json`: one reply a line. */
export function replies<T>({ stdout, stderr }: RunResult): T[] {
  if (stdout.trim() === '') throw new Error(`nothing was printed; stderr: ${stderr}`);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}
