// Runs one test file in a process of its own and says whether it passed: nothing failed, every test that it began has
// ended, and there was one at all. Node alone takes a file for passed whose process exits with 0 in the middle of a test.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './root.ts';

/** One test, or suite of tests; the longest one starts a dozen PM2 daemons. */
const TEST_TIMEOUT_MS = 600_000;
/** One file, should its process not end. */
const FILE_TIMEOUT_MS = 900_000;
/** How long a file may take to end when it is asked to, and how long its output is read after its end. */
const END_TIMEOUT_MS = 3_000;

export const COUNTS = ['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo'] as const;
export type Counts = Record<(typeof COUNTS)[number], number>;
/** The closing lines of each file's run; one sum of all stands at the end instead. */
const COUNT_LINES = new RegExp(`^ℹ (?:${COUNTS.join('|')}|duration_ms) .*\\n`, 'gm');
/** The line of a test that failed, its name and time. */
export const FAILURE = /^ *✖ (.+) \([\d.]+ms\)/m;

/** What ranReporter.mjs tells. */
interface Ran {
  /** Tests that ended, without suites. */
  tests: number;
  /** Names of tests and suites that had begun, or waited for their turn, when the process ended. */
  unended: string[];
}

export interface FileRun {
  file: string;
  ok: boolean;
  counts: Counts;
  seconds: number;
  /** What the run printed, under a headline, with what Node's runner did not notice. */
  output: string;
}

export interface FileRunOptions {
  /** The command that gives it namespaces of its own, or none. */
  namespaces?: readonly string[];
  timeoutMs?: number;
  /** Where the project is that the file belongs to. */
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** Kills it at the first test that fails; only where its namespaces end all that it started with it. */
  untilFailure?: boolean;
}

/** Groups of processes that end with the runner. */
const running = new Set<number>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const pid of running) kill(pid, 'SIGKILL');
    process.kill(process.pid, signal);
  });

/** Runs a test file; never rejects. */
export async function runFile(file: string, options: FileRunOptions): Promise<FileRun> {
  const began = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'pm2-ops-run-'));
  const { code, said, killed } = await ended(file, join(folder, 'ran.json'), options);
  const seconds = (performance.now() - began) / 1000;
  const ran = ranIn(join(folder, 'ran.json'));
  rmSync(folder, { recursive: true, force: true });
  const node = countsIn(said);
  const noticed = node.fail + node.cancelled > 0;
  const wrong = killed === undefined ? notNoticed(ran) : [killed];
  if (code !== 0 && !noticed && wrong.length === 0) wrong.push(`its process ended with ${code}`);
  // What Node did not notice stands for one failed test, so that the sum shows it.
  const counts = noticed || wrong.length === 0 ? node : { ...node, tests: node.tests + 1, fail: 1 };
  const headline = `\n── ${file} (${seconds.toFixed(1)} s)`;
  const output = [headline, said.replace(COUNT_LINES, '').trimEnd(), ...wrong.map((what) => `✖ ${file}: ${what}`)];
  return { file, ok: code === 0 && wrong.length === 0, counts, seconds, output: output.join('\n') };
}

interface End {
  code: number | string | null;
  said: string;
  /** Why it was ended from here. */
  killed?: string;
}

function ended(file: string, ranFile: string, options: FileRunOptions): Promise<End> {
  const { namespaces = [], cwd = ROOT } = options;
  const timeoutMs = options.timeoutMs ?? (Number(process.env.PM2_OPS_FILE_TIMEOUT_MS) || FILE_TIMEOUT_MS);
  const [command = '', ...args] = [
    ...namespaces,
    process.execPath,
    ...['--import', 'tsx', '--test', `--test-timeout=${TEST_TIMEOUT_MS}`],
    ...['--test-reporter=spec', '--test-reporter-destination=stdout'],
    ...[
      `--test-reporter=${join(ROOT, 'scripts', 'test', 'ranReporter.mjs')}`,
      `--test-reporter-destination=${ranFile}`,
    ],
    file,
  ];
  // Its output is read, so it has no colours; a runner inside a test is one of its own.
  const env = { ...process.env, ...options.env, FORCE_COLOR: undefined, NODE_TEST_CONTEXT: undefined };
  // A group of its own, so that a process that hangs ends with all that it started.
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const { pid } = child;
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      said += text;
      if (options.untilFailure && FAILURE.test(said) && pid !== undefined) kill(pid, 'SIGKILL');
    });
  return new Promise((resolve) => {
    let killed: string | undefined;
    const timers: NodeJS.Timeout[] = [];
    const stop = (why: string): void => {
      if (pid === undefined || killed !== undefined) return;
      killed = why;
      kill(pid, 'SIGTERM');
      timers.push(setTimeout(() => kill(pid, 'SIGKILL'), END_TIMEOUT_MS));
    };
    const settle = (code: End['code']): void => {
      for (const timer of timers) clearTimeout(timer);
      if (pid !== undefined) {
        running.delete(pid);
        if (killed !== undefined) kill(pid, 'SIGKILL');
      }
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      resolve({ code, said, ...(killed === undefined ? {} : { killed }) });
    };
    if (pid !== undefined) running.add(pid);
    timers.push(setTimeout(() => stop(`still running after ${Math.round(timeoutMs / 1000)} s, ended`), timeoutMs));
    child.once('error', (error) => settle(error.message));
    // A daemon that it left behind may hold its output open.
    child.once('exit', (code, endedBy) => {
      timers.push(setTimeout(() => settle(code ?? endedBy), END_TIMEOUT_MS));
    });
    child.once('close', (code, endedBy) => settle(code ?? endedBy));
  });
}

/** What Node's own exit code does not tell. */
function notNoticed(ran: Ran | undefined): string[] {
  if (!ran) return ['its process ended before it could say what ran'];
  if (ran.unended.length > 0) return [`its process ended before ${quoted(ran.unended)} had`];
  return ran.tests === 0 ? ['no test of it has ended'] : [];
}

function ranIn(file: string): Ran | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Ran;
  } catch {
    return undefined;
  }
}

function quoted(names: readonly string[]): string {
  const rest = names.length > 3 ? ` and ${names.length - 3} more` : '';
  return `${names
    .slice(0, 3)
    .map((name) => `"${name}"`)
    .join(', ')}${rest}`;
}

function countsIn(said: string): Counts {
  const count = (name: string): number => Number(said.match(new RegExp(`^ℹ ${name} (\\d+)$`, 'm'))?.[1] ?? 0);
  return Object.fromEntries(COUNTS.map((name) => [name, count(name)])) as Counts;
}

/** The process and all of its group that are left. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}
