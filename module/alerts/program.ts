// Gives an alert to a program, as JSON on its stdin. There is no shell and no argument, and the program gets nothing of the
// daemon's environment, which may hold secrets.
import { spawn } from 'node:child_process';
import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Alert } from '../../contract/alerts.ts';
import type { Attempt, Channel } from './channel.ts';
import { safeLine } from './safeText.ts';

/** A program that takes longer is killed, with its children. */
const WITHIN_MS = 30_000;
/** So much of its output is kept; the rest is read and forgotten, so that it does not block. */
const MOST_BYTES = 2_048;
/** So much of it is told. */
const LONGEST_OUTPUT = 150;
/** After its end, for what is still in its pipes. */
const LAST_OUTPUT_WITHIN_MS = 200;
const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

/** @param file an absolute path */
export function createProgram(file: string, withinMs = WITHIN_MS): Channel {
  return {
    name: 'program',
    to: file,
    withinMs,
    refusal: () => whyRefused(file),
    async deliver(alert, signal) {
      // Looked at before each run: whoever may write the file runs code as this user.
      const refusal = whyRefused(file);
      return refusal === undefined ? runOnce(file, alert, signal, withinMs) : { ok: false, said: refusal };
    },
  };
}

function runOnce(file: string, alert: Alert, signal: AbortSignal, withinMs: number): Promise<Attempt> {
  // As the leader of a group of its own, so that it can be killed together with its children.
  const child = spawn(file, [], { cwd: '/', env: environment(), stdio: 'pipe', detached: true });
  // Node makes no pipes where no file can be opened any more.
  const pipes = [child.stdin, child.stdout, child.stderr].filter(Boolean);
  let output = Buffer.alloc(0);
  let isLate = false;

  return new Promise<Attempt>((resolve) => {
    child.once('error', (error) =>
      resolve({ ok: false, said: safeLine(`${file} cannot be started: ${error.message}`) }),
    );
    child.once('exit', (code, killedBy) => {
      const settle = () => resolve(attemptOf(code, killedBy));
      child.once('close', settle);
      // A child that it has left behind may hold the pipes open.
      setTimeout(settle, LAST_OUTPUT_WITHIN_MS);
    });
    const timer = setTimeout(() => {
      isLate = true;
      killAll();
    }, withinMs);
    child.once('exit', () => clearTimeout(timer));
    if (signal.aborted) killAll();
    signal.addEventListener('abort', killAll, { once: true });
    for (const pipe of pipes.slice(1)) pipe.on('data', keep);
    // A program need not read what it gets.
    child.stdin?.on('error', () => {});
    child.stdin?.end(`${JSON.stringify(alert)}\n`);
  }).finally(() => {
    signal.removeEventListener('abort', killAll);
    for (const pipe of pipes) pipe.destroy();
  });

  function keep(part: Buffer): void {
    if (output.length < MOST_BYTES) output = Buffer.concat([output, part]).subarray(0, MOST_BYTES);
  }

  function killAll(): void {
    // Only while it runs: afterwards another group may have its number.
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      child.kill('SIGKILL');
    }
  }

  function attemptOf(code: number | null, killedBy: NodeJS.Signals | null): Attempt {
    if (code === 0) return { ok: true, said: `${file} exited with 0` };
    const last = safeLine(output.toString().trim().split('\n').at(-1) ?? '').slice(0, LONGEST_OUTPUT);
    const ended = code === null ? `was ended by ${killedBy}` : `exited with ${code}`;
    const how = isLate ? `was killed with its children: it took longer than ${withinMs} ms` : ended;
    return { ok: false, said: `${file} ${how}${last === '' ? '' : `: ${last}`}`, isRejected: true };
  }
}

/** What every program may expect, and Node's folder, for a script that names `node`. */
function environment(): NodeJS.ProcessEnv {
  return {
    PATH: `${STANDARD_PATH}:${dirname(process.execPath)}`,
    HOME: process.env.HOME ?? '/',
    LANG: 'C.UTF-8',
  };
}

/**
 * Why a program is not run: whoever can change it, or put another one in its place, would run code as this user.
 * @returns undefined if nothing is wrong with it
 */
export function whyRefused(file: string): string | undefined {
  try {
    const real = realpathSync(file);
    const stats = statSync(real);
    if (!stats.isFile()) return `${file} is no regular file`;
    if ((stats.mode & 0o111) === 0) return `${file} is not executable; type: chmod u+x ${real}`;
    const open = isOpen(stats) ? real : foldersAbove(real).find((folder) => isOpen(lstatSync(folder)));
    return open === undefined
      ? undefined
      : `${file} is not run, because another user can change ${open}; look with: ls -ld ${open}`;
  } catch (error) {
    return `${file} cannot be run: ${(error as Error).message}`;
  }
}

/** Can another user than this one and root change it? In a sticky folder, such as /tmp, only a file's owner can replace it. */
function isOpen(stats: Stats): boolean {
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.()) return true;
  const isSticky = stats.isDirectory() && (stats.mode & STICKY) !== 0;
  return (stats.mode & WRITABLE_BY_OTHERS) !== 0 && !isSticky;
}

function foldersAbove(file: string): string[] {
  const folder = dirname(file);
  return folder === file ? [] : [folder, ...foldersAbove(folder)];
}
