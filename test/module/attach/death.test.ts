import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Step } from '../../../module/attach/index.ts';
import {
  app,
  attacher,
  GUARD,
  guardIsDone,
  guards,
  IDLE,
  inspectorIsClosed,
  journalOf,
  killedModule,
  LOAD,
  moduleWith,
  NODES,
  portsOf,
  run,
  stateFolder,
  until,
} from './harness.ts';

const STEPS: Step[] = [
  'locked',
  'journaled',
  'guarded',
  'signalled',
  'opened',
  'connected',
  'proven',
  'loaded',
  'left',
  'closed',
];

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  for (const step of STEPS) {
    test(`Node ${version}: a module killed when "${step}" leaves nothing open, and the app serves on`, async () => {
      const stateDir = stateFolder();
      const target = await app(IDLE, { node });
      await killedModule(step, target, stateDir);
      await guardIsDone();
      await inspectorIsClosed(target);
      const loaded = STEPS.indexOf(step) >= STEPS.indexOf('loaded') ? 1 : null;
      assert.deepEqual(await target.ask('loaded'), { value: loaded });
      // The successor comes to an end with it, too.
      const { attach, recover } = attacher({ stateDir });
      await recover();
      const outcome = await until('the successor attaches', async () => {
        const attempt = await attach(target.pid, LOAD);
        return attempt.ok && attempt;
      });
      assert.equal(outcome.ok, true);
      assert.deepEqual(journalOf(stateDir).owed, []);
      assert.deepEqual(portsOf(target.pid), []);
    });
  }

  test(`Node ${version}: an inspector that is open when the module is killed is closed by the guard`, async () => {
    const stateDir = stateFolder();
    const target = await app(IDLE, { node });
    const module = await moduleWith('SIGKILL', 'connected', target, stateDir);
    await once(module.child, 'exit');
    const died = performance.now();
    await inspectorIsClosed(target);
    console.log(`${version}: closed ${Math.round(performance.now() - died)} ms after the module's death`);
  });

  for (const step of ['connected', 'loaded', 'left'] satisfies Step[]) {
    test(`Node ${version}: a module that stands still when "${step}" does not hold the app`, async () => {
      const target = await app(IDLE, { node });
      const module = await moduleWith('SIGSTOP', step, target, stateFolder());
      await until('it stands still', () =>
        execFileSync('cat', [`/proc/${module.pid}/stat`])
          .toString()
          .includes(') T '),
      );
      // Held, it would not answer before the module is killed.
      for (let round = 0; round < 20; round++) await target.ask('loaded');
      module.child.kill('SIGKILL');
      await inspectorIsClosed(target);
    });
  }
}

test('the guard is no child of the module, which PM2 would kill with it', async () => {
  const target = await app(IDLE);
  const module = await moduleWith('SIGSTOP', 'signalled', target, stateFolder());
  const [guard] = guards();
  const parent = (pid: number) => Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(pid)]).toString());
  assert.notEqual(parent(guard!), module.pid);
  module.child.kill('SIGKILL');
  await guardIsDone();
});

test('the guard outlives the signals that a stopping PM2 sends, and does its work', async () => {
  const target = await app(IDLE);
  const module = await moduleWith('SIGSTOP', 'connected', target, stateFolder());
  const [guard] = guards();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(guard!, signal);
  module.child.kill('SIGKILL');
  await inspectorIsClosed(target);
  await until('the guard has left', () => guards().length === 0);
});

test('without a guard to watch over it, nothing is signalled', async () => {
  const { pid, stderr } = await app(IDLE);
  const { attach, stateDir } = attacher({ guardScript: '/nonexistent/guard.cjs' });
  const outcome = await attach(pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'no-guard');
  assert.equal(stderr(), '');
  assert.equal(existsSync(join(stateDir, 'attach-journal.json')), false);
});

test('even when module and guard are both killed, the successor closes what they left open', async () => {
  const stateDir = stateFolder();
  const target = await app(IDLE);
  const module = await moduleWith('SIGSTOP', 'connected', target, stateDir);
  for (const guard of guards()) process.kill(guard, 'SIGKILL');
  module.child.kill('SIGKILL');
  await until('both are gone', () => module.child.signalCode && guards().length === 0);
  assert.deepEqual(portsOf(target.pid), [9229]);
  const { recover } = attacher({ stateDir });
  await recover();
  await inspectorIsClosed(target);
  await until('the journal is settled', () => journalOf(stateDir).owed.length === 0);
});

test('without a journal, nothing is signalled', async () => {
  const { pid, stderr } = await app(IDLE);
  const outcome = await attacher({ stateDir: join(GUARD, 'in-a-file') }).attach(pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'no-journal');
  assert.equal(stderr(), '');
});

for (const step of ['signalled', 'connected', 'loaded'] satisfies Step[]) {
  test(`a process killed when "${step}" is forgotten, and the next one attached`, async () => {
    const target = await app(IDLE);
    const next = await app(IDLE);
    const { attach, stateDir } = attacher({
      onStep: async (at, pid) => {
        if (at !== step || pid !== target.pid) return;
        target.child.kill('SIGKILL');
        await until('it is gone', () => target.child.signalCode);
      },
    });
    const [outcome, following] = await Promise.all([attach(target.pid, LOAD), attach(next.pid, LOAD)]);
    if (step !== 'loaded') assert.equal(!outcome.ok && outcome.code, 'gone', JSON.stringify(outcome));
    assert.ok(following.ok, JSON.stringify(following));
    assert.deepEqual(journalOf(stateDir).owed, []);
  });
}

test('a process that took the pid of another in the moment before the signal does not get it', {
  skip: process.getuid?.() === 0 && existsSync('/proc/sys/kernel/ns_last_pid') ? false : 'takes root to choose a pid',
}, async () => {
  const script = fileURLToPath(new URL('./reusedPid-child.ts', import.meta.url));
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const words = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, '--import', 'tsx', script];
  const apart = run('unshare', [...words, stateFolder(), GUARD], { cwd });
  await until('it has an outcome', () => apart.stdout().endsWith('\n') || apart.child.exitCode !== null);
  const { outcome, samePid, signalled } = JSON.parse(apart.stdout());
  assert.equal(samePid, true, 'the pid was not used again');
  assert.equal(signalled, false, 'the other process was signalled');
  assert.equal(outcome.code, 'gone', JSON.stringify(outcome));
  assert.match(outcome.reason, /replaced by another/);
});

test('a module that is stopped in the middle finishes or gives up, and closes', async () => {
  const target = await app(IDLE);
  let stopping: Promise<void> | undefined;
  const module = attacher({
    onStep: (step) => {
      if (step === 'signalled') stopping = module.close();
    },
  });
  const outcome = await module.attach(target.pid, LOAD);
  await stopping;
  assert.equal(typeof outcome.ok, 'boolean');
  await inspectorIsClosed(target);
  assert.equal((await module.attach(target.pid, LOAD)).ok, false, 'after its end it attaches no more');
  await until('the guard has left', () => guards().length === 0);
});
