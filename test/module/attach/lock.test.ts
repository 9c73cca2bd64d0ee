import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { acquireLock } from '../../../module/attach/lock.ts';
import { addUser, noOtherUsers, type User } from '../../support/users.ts';
import { type App, app, attacher, cleanup, file, GUARD, IDLE, LOAD, run, stateFolder, until } from './harness.ts';

const SKIP = { skip: noOtherUsers() };
const NOBODY = { uid: 65_534, gid: 65_534, name: 'nobody' };
const ONE = SKIP.skip ? NOBODY : addUser();
const OTHER = SKIP.skip ? NOBODY : addUser();

test('two modules on one host attach one after the other, and all is attached', () => attachByTwo());

test('a process that waits for the lock is told who has it, and not signalled', async () => {
  const lock = await acquireLock(0);
  cleanup(() => lock?.release());
  const { pid, stderr } = await app(IDLE);
  const outcome = await attacher().attach(pid, LOAD);
  assert.ok(!outcome.ok);
  assert.equal(outcome.code, 'lock-held');
  assert.match(outcome.reason, new RegExp(`\\bprocess ${process.pid} \\(node\\)`));
  assert.equal(stderr(), '');
});

test('the lock is free when its holder is killed', async () => {
  const lock = fileURLToPath(new URL('../../../module/attach/lock.ts', import.meta.url));
  const hold = `require(${JSON.stringify(lock)}).acquireLock(2000).then((lock) => console.log(lock ? 'held' : 'not'));
    setInterval(() => {}, 60_000);`;
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const holder = run(process.execPath, ['--import', 'tsx', '-e', hold], { cwd });
  await until('it is held', () => holder.stdout() === 'held\n', 60_000);
  assert.equal(await acquireLock(50), null);
  holder.child.kill('SIGKILL');
  const free = await acquireLock(2000);
  assert.ok(free);
  await free.release();
});

test(
  'another user who holds the name at which modules wait for each other stops nobody, and costs one wait',
  SKIP,
  async () => {
    await squat(OTHER);
    const { attach } = attacher();
    const took: number[] = [];
    for (let round = 0; round < 3; round++) {
      const { pid } = await app(IDLE);
      const began = performance.now();
      const outcome = await attach(pid, LOAD);
      assert.ok(outcome.ok, JSON.stringify(outcome));
      took.push(performance.now() - began);
    }
    assert.ok(Math.max(...took.slice(1)) < 900, `it was waited for again: ${took}`);
    await attachByTwo();
  },
);

test('a user whose folders others have made first is attached for all the same', SKIP, async () => {
  // As anybody may who wants to be in the way.
  const folder = `/tmp/pm2-ops-lock-${ONE.uid}`;
  mkdirSync(folder, { mode: 0o777 });
  cleanup(() => rmSync(folder, { recursive: true, force: true }));
  await squat(OTHER);
  const target = await app(IDLE, { uid: ONE.uid, gid: ONE.gid });
  const stateDir = stateFolder();
  chmodSync(stateDir, 0o777);
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const script = fileURLToPath(new URL('./attacher-child.ts', import.meta.url));
  const words = ['--import', 'tsx', script, String(target.pid), stateDir, GUARD];
  const module = run(process.execPath, words, {
    cwd,
    uid: ONE.uid,
    gid: ONE.gid,
    env: { ...process.env, TMPDIR: stateDir },
  });
  await until(
    'the module has an outcome',
    () => module.stdout().includes('\n') || module.child.exitCode !== null,
    60_000,
  );
  assert.equal(JSON.parse(module.stdout() || 'null')?.ok, true, module.stdout() + module.stderr());
});

test('modules of two users wait for each other', SKIP, async () => {
  const holder = await squat(OTHER, 'setTimeout(() => { console.log("freed"); server.close(); }, 300);');
  const { pid } = await app(IDLE);
  let freed = false;
  const { attach } = attacher({
    onStep: (step) => {
      if (step === 'locked') freed = holder.stdout().includes('freed');
    },
  });
  const outcome = await attach(pid, LOAD);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.ok(freed, 'it did not wait');
});

async function attachByTwo(): Promise<void> {
  const apps = await Promise.all(Array.from({ length: 6 }, () => app(IDLE)));
  const attaching = new Set<number>();
  const step = (at: string, pid: number) => {
    if (at === 'locked') attaching.add(pid);
    assert.ok(attaching.size <= 1, 'two at the same time');
    if (at === 'closed') attaching.delete(pid);
  };
  const one = attacher({ onStep: step });
  const two = attacher({ onStep: step });
  const outcomes = await Promise.all(apps.map(({ pid }, index) => (index % 2 ? one : two).attach(pid, LOAD)));
  for (const outcome of outcomes) assert.ok(outcome.ok, JSON.stringify(outcome));
}

/** Another user takes the name, as /proc shows it to everybody. */
async function squat({ uid, gid }: User, more = ''): Promise<App> {
  const lock = await acquireLock(1000);
  const [name = ''] = /@pm2-ops\.\S+/.exec(readFileSync('/proc/net/unix', 'latin1')) ?? [];
  await lock?.release();
  // The longest name there is: older libuv pads shorter ones, newer does not.
  assert.equal(name.length, 108);
  const script = file(
    'squatter.cjs',
    `const server = require('node:net').createServer().listen(${JSON.stringify(`\0${name.slice(1)}`)}, () => console.log('held'));
    setInterval(() => {}, 60_000); ${more}`,
  );
  const squatter = run(process.execPath, [script], { uid, gid });
  await until('it is held', () => squatter.stdout().includes('held'));
  return squatter;
}
