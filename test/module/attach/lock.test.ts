import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { acquireLock } from '../../../module/attach/lock.ts';
import { app, attacher, cleanup, IDLE, LOAD, NODES, run, until } from './harness.ts';

test('two modules on one host attach one after the other, and all is attached', async () => {
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
});

test('the lock has the same address whichever Node holds it: the longest there is', async () => {
  const lock = await acquireLock(0);
  cleanup(() => lock?.release());
  assert.ok(lock);
  const [name] = /@pm2-ops\.\S+/.exec(readFileSync('/proc/net/unix', 'latin1')) ?? [];
  assert.equal(name?.length, 108);
});

for (const node of NODES) {
  test(`the lock that ${node} holds is held for all, and free when its holder is killed`, async () => {
    const [name] = await withLock(() => /@pm2-ops\.\S+/.exec(readFileSync('/proc/net/unix', 'latin1')) ?? ['']);
    const hold = `require('node:net').createServer().listen(${JSON.stringify(`\0${name.slice(1)}`)}, () => console.log('held'))`;
    const holder = run(node, ['-e', hold]);
    await until('it is held', () => holder.stdout() === 'held\n');
    assert.equal(await acquireLock(50), null);
    holder.child.kill('SIGKILL');
    const lock = await acquireLock(2000);
    assert.ok(lock);
    await lock.release();
  });
}

test('a process that waits for the lock is told, and not signalled', async () => {
  const lock = await acquireLock(0);
  const { pid, stderr } = await app(IDLE);
  const outcome = await attacher().attach(pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'lock-held');
  assert.equal(stderr(), '');
  await lock?.release();
});

async function withLock<T>(look: () => T): Promise<T> {
  const lock = await acquireLock(1000);
  assert.ok(lock);
  try {
    return look();
  } finally {
    await lock.release();
  }
}
