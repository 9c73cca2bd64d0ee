import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { StackView } from '../../../contract/stackView.ts';
import type { Step } from '../../../module/attach/index.ts';
import { connect } from '../../../module/attach/inspector.ts';
import {
  ANSWERING,
  type App,
  app,
  attacher,
  cleanup,
  file,
  guardIsDone,
  IDLE,
  inspectorIsClosed,
  journalOf,
  killedModule,
  LOAD,
  NODES,
  noCloseIsPending,
  portsOf,
  run,
  stateFolder,
  until,
} from './harness.ts';

/** What `stuck` does until a file is there. */
const STUCK = {
  loop: 'while (!isThere()) work();',
  'regular expression': `while (!isThere()) /^(a+)+$/.test('a'.repeat(26) + 'b');`,
  'Atomics.wait': 'Atomics.wait(cell, 0, 0);',
};

interface StuckApp extends App {
  /** It comes free. */
  release(): void;
}

async function stuckApp(how: string, node = NODES[0]!): Promise<StuckApp> {
  const there = join(stateFolder(), 'there');
  const started = await app(
    `${ANSWERING} const { existsSync } = require('node:fs'); const isThere = () => existsSync('${there}');
    function work() { for (let i = 0; i < 1e5; i++) Math.sqrt(i); }
    const cell = new Int32Array(new SharedArrayBuffer(4));
    Error.stackTraceLimit = 7; setInterval(() => {}, 60_000);
function stuck() { ${how} }
    ${how.includes('cell') ? WAKER.replace('THERE', there) : ''}
    process.once('message', () => setTimeout(() => {
      stuck();
      globalThis.limit = Error.stackTraceLimit;
      globalThis.free = 1;
    }, 5));`,
    { node },
  );
  started.child.send({});
  await until('it is stuck', () => !isIdle(started.pid));
  return { ...started, release: () => writeFileSync(there, '') };
}

/** A thread that wakes the main one. */
const WAKER = `new (require('node:worker_threads').Worker)(\`
  const { workerData: { cell, there } } = require('node:worker_threads');
  setInterval(() => require('node:fs').existsSync(there) && Atomics.notify(cell, 0) && process.exit(), 20);
\`, { eval: true, workerData: { cell, there: 'THERE' } });`;

function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[0] ?? '';
}

function isIdle(pid: number): boolean {
  return /^(232|281|441|22) /.test(readFileSync(`/proc/${pid}/syscall`, 'utf8'));
}

/** Line of the function `stuck` in the app above. */
const STUCK_LINE = 5;

function assertStuck({ stacks, samples, verdict }: StackView): void {
  assert.equal(samples, 10, verdict);
  assert.match(verdict, /(stuck|work|isThere|existsSync) \(/);
  for (const { frames } of stacks) {
    const at = frames.find((frame) => frame.function === 'stuck');
    assert.ok(at, JSON.stringify(frames));
    assert.match(at.file, /app\.cjs$/);
    assert.equal(at.line, STUCK_LINE);
  }
}

/** On a machine that is busy with other tests, V8 may come too late to be asked; the answer says so then, and one asks again. */
async function sampled(look: (pid: number) => Promise<StackView>, pid: number): Promise<StackView> {
  let view: StackView | undefined;
  return until(
    `V8 answers for ${pid}`,
    async () => {
      view = await look(pid);
      return view.samples === 10 && view;
    },
    60_000,
  ).catch((error: Error) => assert.fail(`${error.message}: ${JSON.stringify(view)}`));
}

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  test(`Node ${version}: where it is stuck is told by function, file and line, and it runs on unharmed`, async () => {
    const { look, attach, stateDir } = attacher();
    const apps = await Promise.all(Object.values(STUCK).map((how) => stuckApp(how, node)));
    const views: StackView[] = [];
    for (const { pid } of apps) views.push(await sampled(look, pid));
    // Closed in the middle of it, the inspector is not open for a second look.
    views.push(await sampled(look, apps[0]!.pid));
    for (const view of views) assertStuck(view);
    assert.deepEqual(
      views.map(({ is }) => is),
      ['hot-loop', 'hot-loop', 'standstill', 'hot-loop'],
      JSON.stringify(views),
    );
    for (const { pid } of apps) assert.deepEqual(portsOf(pid), []);
    for (const each of apps) each.release();
    for (const each of apps) {
      assert.deepEqual(await each.ask('free'), { value: 1 });
      assert.deepEqual(await each.ask('limit'), { value: 7 }, 'Error.stackTraceLimit is as it was');
    }
    await noCloseIsPending(stateDir);
    for (const { pid } of apps) await until('no inspector is open', () => portsOf(pid).length === 0);
    await until('it can be attached', async () => (await attach(apps[0]!.pid, LOAD)).ok);
  });

  test(`Node ${version}: where V8 cannot answer, the kernel's view says what it is in, and nothing stays open`, async () => {
    const { look, stateDir } = attacher();
    const child = await stuckApp(`require('node:child_process').spawnSync('sleep', ['30']);`, node);
    const native = await stuckApp(`require('node:crypto').pbkdf2Sync('a', 'b', 8e6, 64, 'sha512');`, node);
    const stopped = await app(IDLE, { node });
    stopped.child.kill('SIGSTOP');
    await until('it is stopped', () => stateOf(stopped.pid) === 'T');
    const views = await Promise.all([child, native, stopped].map(({ pid }) => look(pid)));
    assert.deepEqual(
      views.map(({ is }) => is),
      ['native', 'native', 'stopped'],
      JSON.stringify(views),
    );
    assert.match(views[0]!.verdict, /blocked in a system call .*epoll_p?wait.*; it has a child, sleep \(pid \d+\)/);
    assert.match(views[1]!.verdict, /V8 did not answer: .* it computes in native code/);
    assert.match(views[2]!.verdict, /stopped by a signal/);
    assert.ok(views.every(({ kernel }) => kernel && kernel.threadCount > 3));
    // Those that could not answer anyway got no signal.
    assert.equal(child.stderr(), '');
    assert.equal(stopped.stderr(), '');
    stopped.child.kill('SIGCONT');
    assert.deepEqual(await stopped.ask('limit'), { value: null });
    assert.deepEqual(await native.ask('free'), { value: 1 });
    await until('the inspector that opened late is closed', () => portsOf(native.pid).length === 0);
    await noCloseIsPending(stateDir);
    assert.deepEqual(portsOf(native.pid), []);
  });

  test(`Node ${version}: an idle process is said to be idle, without a signal; a busy one turns`, async () => {
    const idle = await app(IDLE, { node });
    const busy = await app(
      `${ANSWERING} function spin() { const end = performance.now() + 15; while (performance.now() < end); setImmediate(spin); } spin();`,
      { node },
    );
    const { look } = attacher();
    const [rest, work] = [await look(idle.pid), await sampled(look, busy.pid)];
    assert.equal(rest.is, 'idle', rest.verdict);
    assert.equal(idle.stderr(), '');
    assert.equal(work.is, 'busy', work.verdict);
    assert.ok(work.stacks.some(({ frames }) => frames.some((frame) => frame.function.endsWith('spin'))));
    assert.deepEqual(await busy.ask('nothing'), { value: null });
    await until('it is closed', () => portsOf(busy.pid).length === 0);
  });

  const steps: Step[] = [node === NODES[0] ? 'sampled' : 'signalled'];
  for (const step of steps) {
    test(`Node ${version}: a module killed when "${step}" leaves no inspector open in a blocked process`, async () => {
      const stateDir = stateFolder();
      const target = await stuckApp(STUCK.loop, node);
      await killedModule(step, target, stateDir, 'look');
      await inspectorIsClosed(target);
      target.release();
      await guardIsDone();
      assert.deepEqual(await target.ask('free'), { value: 1 });
      await inspectorIsClosed(target);
      const { recover } = attacher({ stateDir });
      await recover();
      await noCloseIsPending(stateDir);
      assert.deepEqual(portsOf(target.pid), []);
    });
  }
}

test('a process that does not exist any more, or ends meanwhile, is no error', async () => {
  const target = await stuckApp(STUCK.loop);
  const { look, stateDir } = attacher({
    onStep: async (step) => {
      if (step !== 'proven') return;
      target.child.kill('SIGKILL');
      await until('it is gone', () => target.child.signalCode);
    },
  });
  assert.equal((await look(target.pid)).kernel, null);
  assert.equal((await look(target.pid)).kernel, null);
  assert.deepEqual(journalOf(stateDir).owed, []);
});

test("a person's debugger stays connected, and sees the same", async () => {
  const target = await app(
    `${ANSWERING} process.once('message', () => { const end = performance.now() + 6000; while (performance.now() < end); });`,
    { words: ['--inspect'] },
  );
  const person = await connect(9229);
  cleanup(() => person.close());
  target.child.send({});
  await until('it is blocked', () => !isIdle(target.pid));
  const view = await sampled(attacher().look, target.pid);
  assert.equal(view.is, 'hot-loop', JSON.stringify(view));
  assert.equal(await person.evaluate('1 + 1'), 2);
  assert.deepEqual(portsOf(target.pid), [9229]);
});

test('what is no Node gets no signal: the kernel says what it does', async () => {
  const snake = run('python3', ['-c', 'import time\nprint("up", flush=True)\nwhile True: time.sleep(1)']);
  await until('it runs', () => snake.stdout().includes('up'));
  const view = await attacher().look(snake.pid);
  assert.equal(view.is, 'not-asked');
  assert.match(view.reason ?? '', /not Node \(python/);
  assert.match(view.verdict, /in (clock_)?nanosleep|pselect6|select/);
  assert.equal(snake.child.exitCode, null);
});

test('a look while the same process is being attached answers, and both come to an end', async () => {
  const target = await stuckApp(STUCK.loop);
  const { look, attach, stateDir } = attacher();
  const attaching = until('it is attached', async () => (await attach(target.pid, LOAD)).ok);
  const views: StackView[] = [];
  for (let round = 0; round < 3; round++) views.push(await look(target.pid));
  assert.ok(
    views.some(({ is }) => is === 'hot-loop'),
    JSON.stringify(views.map(({ verdict, reason }) => [verdict, reason])),
  );
  target.release();
  await attaching;
  assert.deepEqual(await target.ask('loaded'), { value: 1 });
  await noCloseIsPending(stateDir);
  await inspectorIsClosed(target);
});

test('under an own formatting of stacks, or a frozen Error, the answer is the same and both stay', async () => {
  const own = file(
    'own.cjs',
    `Error.prepareStackTrace = () => 'mine'; process.on('exit', () => console.log(new Error('x').stack, Error.stackTraceLimit));`,
  );
  const frozen = file('frozen.cjs', 'Object.freeze(Error);');
  const there = join(stateFolder(), 'there');
  const main = file(
    'main.cjs',
    `console.log('up'); stuck();\nfunction stuck() { while (!require('node:fs').existsSync('${there}')) Math.sqrt(2); }`,
  );
  const targets = [own, frozen].map((preload) => run(NODES[0]!, ['--require', preload, main]));
  await until('both are stuck', () => targets.every(({ stdout }) => stdout() === 'up\n'));
  const { look } = attacher();
  const views: StackView[] = [];
  for (const { pid } of targets) views.push(await sampled(look, pid));
  for (const view of views) {
    assert.equal(view.is, 'hot-loop', JSON.stringify(view));
    assert.ok(
      view.stacks.every(({ frames }) => frames.some((frame) => frame.function === 'stuck' && frame.line === 2)),
    );
  }
  const ends = targets.map(({ child }) => once(child, 'exit'));
  writeFileSync(there, '');
  await Promise.all(ends);
  assert.deepEqual(
    targets.map(({ stdout, child }) => [child.exitCode, stdout()]),
    [
      [0, 'up\nmine 10\n'],
      [0, 'up\n'],
    ],
  );
});
