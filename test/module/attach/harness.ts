// What the tests of this room share: real Node processes as apps, a guard built from source, and waiting for states.

import assert from 'node:assert/strict';
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { type Attacher, type AttacherOptions, createAttacher, type Step } from '../../../module/attach/index.ts';
import { listeners, ownSockets } from '../../../shared/linux/sockets.ts';
import { pollUntil } from '../../../shared/time.ts';
import { noInspectorStaysOpen } from '../../../testkit/inspectors.ts';
import { nodes } from '../../../testkit/nodes.ts';

/** The Node binaries to test against. */
export const NODES = nodes().map(({ path }) => path);

export { LOAD } from './load.ts';

const DEADLINE_MS = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'pm2-ops-attach-'));
// Apps under other users read their scripts here.
chmodSync(folder, 0o755);

export const GUARD = join(folder, 'guard.cjs');
buildSync({
  entryPoints: [fileURLToPath(new URL('../../../module/attach/guard.ts', import.meta.url))],
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  outfile: GUARD,
  logLevel: 'error',
});

const running = new Set<ChildProcess>();
const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  const leftOpen = await noInspectorStaysOpen().catch((error: Error) => error);
  for (const child of running) child.kill('SIGKILL');
  await until('the apps are gone', () => running.size === 0);
  if (leftOpen) throw leftOpen;
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** Waits for a state and looks often; fails with the name of the state. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<Exclude<T, false | null | undefined>> {
  const value = await pollUntil(look, { everyMs: 5, timeoutMs: deadlineMs });
  return (value || assert.fail(`not within ${deadlineMs} ms: ${what}`)) as Exclude<T, false | null | undefined>;
}

export function cleanup(action: () => Promise<void> | void): void {
  cleanups.push(action);
}

let questions = 0;
let files = 0;
export function file(name: string, text: string): string {
  const path = join(folder, `${++files}-${name}`);
  writeFileSync(path, text);
  return path;
}

export function stateFolder(): string {
  const path = join(folder, `state-${++files}`);
  mkdirSync(path);
  return path;
}

export interface App {
  child: ChildProcess;
  pid: number;
  /** All it has written to standard error. */
  stderr(): string;
  /** All it has written to standard output. */
  stdout(): string;
  /** Value of a global of an app that is ANSWERING. */
  ask(name: string): Promise<{ value: unknown }>;
}

export function run(command: string, words: string[], options: SpawnOptions = {}): App {
  const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...options });
  running.add(child);
  const forget = () => running.delete(child);
  child.once('exit', forget).once('error', forget);
  let stderr = '';
  let stdout = '';
  child.stderr?.on('data', (data) => {
    stderr += String(data);
  });
  child.stdout?.on('data', (data) => {
    stdout += String(data);
  });
  return {
    child,
    pid: child.pid!,
    stderr: () => stderr,
    stdout: () => stdout,
    ask: (name) =>
      new Promise((resolve, reject) => {
        const id = ++questions;
        const hear = (answer: { id?: number; value: unknown }) => {
          if (answer.id !== id) return;
          child.off('message', hear);
          resolve({ value: answer.value });
        };
        child.on('message', hear);
        child.send({ name, id }, (error) => error && reject(error));
      }),
  };
}

/**
 * A module in a process of its own that sends itself a signal when it comes to a step.
 * @param does what it does to that app
 */
export async function moduleWith(
  signal: NodeJS.Signals,
  step: Step,
  { pid }: Pick<App, 'pid'>,
  stateDir: string,
  does: 'attach' | 'look' = 'attach',
): Promise<App> {
  const script = fileURLToPath(new URL('./attacher-child.ts', import.meta.url));
  const options = { cwd: fileURLToPath(new URL('../../..', import.meta.url)) };
  const words = ['--import', 'tsx', script, String(pid), stateDir, GUARD, step, signal, does];
  const started = run(process.execPath, words, options);
  await until(`the module comes to "${step}"`, () => {
    assert.ok(started.child.exitCode === null, started.stdout() + started.stderr());
    return started.stdout() === `${step}\n`;
  });
  return started;
}

/** A module that was killed when it came to a step, and is gone; its guard may still be at work. */
export async function killedModule(
  step: Step,
  target: Pick<App, 'pid'>,
  stateDir: string,
  does: 'attach' | 'look' = 'attach',
): Promise<void> {
  const module = await moduleWith('SIGKILL', step, target, stateDir, does);
  await until('the module is gone', () => module.child.signalCode === 'SIGKILL');
}

/** The guard ends when nothing is open any more: to see no port before may only mean that it is not open yet. */
export async function guardIsDone(): Promise<void> {
  await until('the guard has done its work', () => guards().length === 0);
}

export async function inspectorIsClosed({ pid }: Pick<App, 'pid'>): Promise<void> {
  await until('the inspector is closed', () => portsOf(pid).length === 0);
}

export async function noCloseIsPending(stateDir: string): Promise<void> {
  await until('no close is pending', () => journalOf(stateDir).owed.length === 0);
}

/** Answers what it is asked: the value of a global, by name. */
export const ANSWERING = `process.on('message', ({ name, id }) => id && process.send({ value: globalThis[name] ?? null, id }));`;

/** Starts a Node app that says `up` once it runs. */
export async function app(
  source: string,
  { node = NODES[0]!, words = [], type = 'cjs', ...options }: SpawnOptions & AppOptions = {},
): Promise<App> {
  const path = file(`app.${type === 'esm' ? 'mjs' : 'cjs'}`, `${source}\nprocess.send('up');`);
  const started = run(node, [...words, path], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], ...options });
  const up = new Promise<boolean>((resolve) => started.child.once('message', () => resolve(true)));
  const failed = new Promise<boolean>((resolve) => started.child.once('exit', () => resolve(false)));
  assert.ok(await Promise.race([up, failed]), `the app did not start: ${started.stderr()}`);
  return started;
}

interface AppOptions {
  node?: string;
  /** Options of Node. */
  words?: string[];
  type?: 'cjs' | 'esm';
}

export const IDLE = `${ANSWERING} setInterval(() => {}, 60_000);`;

export function attacher(options: Partial<AttacherOptions> = {}) {
  const stateDir = options.stateDir ?? stateFolder();
  const attacher = createAttacher({ guardScript: GUARD, log: console.error, ...options, stateDir });
  cleanup(() => attacher.close());
  return { stateDir, ...bound(attacher) };
}

function bound(attacher: Attacher): Attacher {
  return {
    attach: (pid, load) => attacher.attach(pid, load),
    look: (pid) => attacher.look(pid),
    recover: () => attacher.recover(),
    close: () => attacher.close(),
  };
}

/** Ports that a process listens on. */
export function portsOf(pid: number): number[] {
  const all = listeners(pid);
  const own = ownSockets(pid, new Set(all.map(({ inode }) => inode)));
  return all.filter(({ inode }) => own?.has(inode)).map(({ port }) => port);
}

/** Asserts that a process is alive and has no inspector open. */
export function assertUntouched({ pid, child, stderr }: App): void {
  assert.equal(child.exitCode, null);
  assert.equal(child.signalCode, null, 'the process was killed');
  assert.deepEqual(portsOf(pid), []);
  assert.equal(stderr(), '');
}

export function journalOf(stateDir: string): { owed: { pid: number }[] } {
  return JSON.parse(readFileSync(join(stateDir, 'attach-journal.json'), 'utf8'));
}

/** Pids of the guards of these tests. */
export function guards(): number[] {
  return listProcesses().filter((pid) => commandLine(pid).includes(GUARD));
}

function listProcesses(): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0);
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
