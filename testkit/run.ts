// Runs a command to its end, with a deadline, and hands back all it said.

import { spawn } from 'node:child_process';

export interface RunResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  timeoutMs?: number;
  /** Called with each piece of output as it comes. */
  onOutput?: (text: string) => void;
}

export class DeadlineError extends Error {
  readonly result: RunResult;
  constructor(message: string, result: RunResult) {
    super(`${message}\nstdout: ${result.stdout}\nstderr: ${result.stderr}`);
    this.result = result;
  }
}

/** Runs `command`; rejects only if it cannot be started or is not over in time. */
export function run(
  command: string,
  args: string[],
  { env = process.env, cwd, timeoutMs = 60_000, onOutput }: RunOptions = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env, ...(cwd ? { cwd } : {}), stdio: ['ignore', 'pipe', 'pipe'] });
    const result: RunResult = { code: null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      result.stdout += text;
      onOutput?.(text);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      result.stderr += text;
      onOutput?.(text);
    });
    const deadline = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new DeadlineError(`${[command, ...args].join(' ')} took longer than ${timeoutMs} ms`, result));
    }, timeoutMs);
    const finish = () => {
      clearTimeout(deadline);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(result);
    };
    child.once('error', (error) => {
      clearTimeout(deadline);
      reject(error);
    });
    child.once('close', finish);
    // A daemon that the command left behind may hold the pipes open: then `close` never comes.
    child.once('exit', (code, signal) => {
      result.code = code ?? (signal ? 128 : null);
      setTimeout(finish, 500).unref();
    });
  });
}

/** As `run`, but any exit code other than 0 is an error that quotes the output. */
export async function runOk(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0)
    throw new Error(`${[command, ...args].join(' ')} exited with ${result.code}\n${result.stdout}\n${result.stderr}`);
  return result;
}
