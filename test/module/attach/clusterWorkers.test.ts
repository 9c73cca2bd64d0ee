import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Step } from '../../../module/attach/index.ts';
import { clusterWorkersOf } from '../../../shared/linux/clusterWorkers.ts';
import { noInspectorStaysOpen, openInspectors } from '../../../testkit/inspectors.ts';
import {
  type App,
  app,
  attacher,
  file,
  guardIsDone,
  IDLE,
  journalOf,
  killedModule,
  LOAD,
  NODES,
  noCloseIsPending,
  portsOf,
  stateFolder,
  until,
} from './harness.ts';

/** Writes a line for every signal that it gets, and what it was told to do. */
const worker = (more = '') => file('worker.cjs', `setInterval(() => {}, 60_000); ${more}`);
const COUNTING = "process.on('SIGUSR1', () => console.error('signalled'));";

/** A primary, whose workers say nothing to it. */
const primary = (script: string, more: string) => `${IDLE}
  const cluster = require('node:cluster');
  cluster.setupPrimary({ exec: ${JSON.stringify(script)} });
  ${more}`;

/** It forks when it is told to be debugged, before Node's cluster hears of that: the latest moment there is. */
const FORKS_AT_THE_SIGNAL = `process.prependListener('internalMessage', ({ cmd }) => {
  if (cmd === 'NODE_DEBUG_ENABLED' && !cluster.workers[1]) forked(cluster.fork());
});`;

/** It signals its worker itself, which opens an inspector on a port of its own. */
const HANDS_ON = `cluster.setupPrimary({ execArgv: ['--inspect-port=0'] });
  function forked(worker) { worker.once('online', () => process._debugProcess(worker.process.pid)); }`;

async function withWorkers(count: number, { pid }: App): Promise<number[]> {
  const workers = await until(`it has ${count} workers`, () => {
    const found = clusterWorkersOf(pid);
    return found.length === count && found;
  });
  return workers.map((each) => each.pid);
}

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  for (const more of ['', COUNTING]) {
    test(`Node ${version}: an app that forks workers is not signalled, nor are they${more && ', which count signals'}`, async () => {
      const source = primary(worker(more), 'cluster.fork(); cluster.fork();');
      const target = await app(source, { node });
      const workers = await withWorkers(2, target);
      const { attach, look } = attacher();
      const outcome = await attach(target.pid, LOAD);
      assert.ok(!outcome.ok);
      assert.equal(outcome.code, 'own-cluster', JSON.stringify(outcome));
      assert.equal(outcome.retryAfterMs, null);
      for (const pid of workers) assert.match(outcome.reason, new RegExp(`\\b${pid}\\b`));
      await target.ask('loaded');
      await noInspectorStaysOpen();
      assert.equal(target.stderr(), '');
      // It waits for events, which is an answer; one in a loop is told apart in the next test.
      assert.match((await look(target.pid)).is, /^(idle|busy)$/);
      assert.equal(target.stderr(), '');
    });
  }

  test(`Node ${version}: where such an app is stuck, is said from outside`, async () => {
    const source = primary(worker(COUNTING), 'cluster.fork(); process.once("SIGUSR2", () => { for (;;); });');
    const target = await app(source, { node });
    await withWorkers(1, target);
    target.child.kill('SIGUSR2');
    await until('it loops', () => execFileSync('cat', [`/proc/${target.pid}/stat`]).includes(') R '));
    const view = await attacher().look(target.pid);
    assert.equal(view.is, 'not-asked');
    assert.match(view.reason ?? '', /forks workers of its own/);
    assert.deepEqual(await openInspectors(), []);
    assert.equal(target.stderr(), '');
  });

  test(`Node ${version}: workers forked in the last moment before the signal keep it from being sent`, async () => {
    const source = primary(worker(COUNTING), 'process.on("message", (word) => word === "fork" && cluster.fork());');
    const target = await app(source, { node });
    const { attach, stateDir } = attacher({
      onStep: async (step) => {
        if (step !== 'guarded') return;
        target.child.send('fork');
        await withWorkers(1, target);
      },
    });
    const outcome = await attach(target.pid, LOAD);
    assert.equal(!outcome.ok && outcome.code, 'own-cluster', JSON.stringify(outcome));
    assert.equal(target.stderr(), '');
    assert.deepEqual(journalOf(stateDir).owed, []);
  });

  test(`Node ${version}: workers forked after that, before the signal arrives, do not get it`, async () => {
    const forked = 'function forked(worker) { worker.once("online", () => { globalThis.online = true; }); }';
    const source = primary(worker(COUNTING), `${forked} ${FORKS_AT_THE_SIGNAL}`);
    const target = await app(source, { node });
    const { attach, stateDir } = attacher();
    const outcome = await attach(target.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    await until('the worker is online', async () => (await target.ask('online')).value);
    await noCloseIsPending(stateDir);
    assert.ok(!target.stderr().includes('signalled'));
    assert.equal(target.stderr().split('Debugger listening').length, 2);
  });

  test(`Node ${version}: a worker that was signalled in spite of all has its inspector closed`, async () => {
    const source = primary(worker(), `${HANDS_ON} ${FORKS_AT_THE_SIGNAL}`);
    const target = await app(source, { node });
    const { attach, stateDir } = attacher();
    const outcome = await attach(target.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    await until('the worker is debugged', () => target.stderr().split('Debugger listening').length === 3);
    await noCloseIsPending(stateDir);
    assert.deepEqual(await openInspectors(), []);
    const [pid] = await withWorkers(1, target);
    assert.deepEqual(portsOf(pid!), []);
  });

  test(`Node ${version}: a worker that was started with --inspect in that moment keeps its inspector`, async () => {
    const inspected = "cluster.setupPrimary({ execArgv: ['--inspect=0'] }); function forked() {}";
    const target = await app(primary(worker(), `${inspected} ${FORKS_AT_THE_SIGNAL}`), { node });
    const outcome = await attacher().attach(target.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    const [pid] = await withWorkers(1, target);
    await until('its inspector is open', async () => (await openInspectors()).some((each) => each.pid === pid));
    // Whoever wanted to close it would have done so in that time.
    await sleep(500);
    assert.deepEqual(
      (await openInspectors()).map((each) => each.pid),
      [pid],
    );
  });

  for (const step of ['opened', 'loaded', 'closed'] satisfies Step[]) {
    test(`Node ${version}: so it is when the module is killed when "${step}"`, async () => {
      const source = primary(worker(), `${HANDS_ON} ${FORKS_AT_THE_SIGNAL}`);
      const target = await app(source, { node });
      await killedModule(step, target, stateFolder());
      await until('the worker is debugged', () => target.stderr().split('Debugger listening').length === 3);
      await guardIsDone();
      assert.deepEqual(await openInspectors(), []);
      assert.equal(clusterWorkersOf(target.pid).length, 1);
    });
  }

  test(`Node ${version}: threads and other children of an app are left alone, and an inspector that they were started with`, async () => {
    const child = file('child.cjs', `${COUNTING} process.on('disconnect', () => process.exit());`);
    const source = `${IDLE}
      const { fork } = require('node:child_process');
      const { Worker } = require('node:worker_threads');
      fork(${JSON.stringify(child)});
      fork(${JSON.stringify(child)}, { execArgv: ['--inspect=0'] });
      new Worker('setInterval(() => {}, 60_000);', { eval: true }).once('online', () => { globalThis.online = true; });`;
    const target = await app(source, { node });
    await until('the thread runs', async () => (await target.ask('online')).value);
    const [before] = await until('the child is debugged', async () => {
      const open = await openInspectors();
      return open.length === 1 && open;
    });
    const outcome = await attacher().attach(target.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.deepEqual(await openInspectors(), [before]);
    assert.ok(!target.stderr().includes('signalled'));
  });

  test(`Node ${version}: a primary that was started with --inspect is attached through that, and its workers keep theirs`, async () => {
    const target = await app(primary(worker(), 'cluster.fork();'), { node, words: ['--inspect=0'] });
    const [workerPid] = await withWorkers(1, target);
    const before = await until('both are debugged', async () => {
      const open = await openInspectors();
      return open.length === 2 && open;
    });
    const outcome = await attacher().attach(target.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
    assert.deepEqual(
      (await openInspectors()).map(({ inode }) => inode),
      before.map(({ inode }) => inode),
    );
    assert.equal(portsOf(workerPid!).length, 1);
  });
}
