import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, it } from 'node:test';
import { createStandstill, type Sight } from '../../../module/rules/standstill.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

const BEAT = { at: 100_000, nextWithinMs: 1_000 };

/** Looks once a second from then on. @returns for how long it is said to be blocked at each look */
function looks(sights: Sight[], beat = BEAT, from = 102_000): (number | undefined)[] {
  let seen: Sight = 'turns';
  const standstill = createStandstill(() => [seen, 1]);
  return sights.map((sight, index) => {
    seen = sight;
    return standstill.look(7, beat, from + index * 1_000);
  });
}

describe('a process whose figures do not come', () => {
  it('is blocked from when they were due, once two looks have seen it', () => {
    assert.deepEqual(looks(['blocked', 'blocked', 'blocked']), [undefined, 2_000, 3_000]);
  });

  it('is not blocked while they are not due', () => {
    assert.deepEqual(looks(['blocked', 'blocked'], { at: 101_500, nextWithinMs: 5_000 }), [undefined, undefined]);
  });

  it('is not blocked if it is seen waiting for events, or not computing at all', () => {
    assert.deepEqual(looks(['blocked', 'turns', 'blocked']), [undefined, undefined, undefined]);
    assert.deepEqual(looks(['blocked', 'not-known', 'blocked']), [undefined, undefined, undefined]);
  });

  it('is not taken for blocked when the host has slept between two looks', () => {
    const standstill = createStandstill(() => ['blocked', 1]);
    assert.equal(standstill.look(7, BEAT, 102_000), undefined);
    assert.equal(standstill.look(7, BEAT, 9_000_000), undefined);
  });

  it('is blocked if it has not answered a question, until it gives a sign of life', () => {
    const standstill = createStandstill(() => ['blocked', 1]);
    standstill.found(7, 2_000, 200_000);
    assert.equal(standstill.look(7, undefined, 201_000), 3_000);
    assert.equal(standstill.look(7, { at: 201_500, nextWithinMs: 5_000 }, 202_000), undefined);
  });
});

describe('what the kernel shows of a process whose figures do not come', () => {
  const children: ChildProcess[] = [];
  after(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  async function pidOf(code: string): Promise<number> {
    const child = spawn(process.execPath, ['-e', `console.log("up");${code}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    return child.pid ?? 0;
  }

  /** Looks again and again, as the module does, though not for as long. */
  async function isBlocked(pid: number): Promise<boolean> {
    const standstill = createStandstill();
    const beat = { at: Date.now() - 10_000, nextWithinMs: 1 };
    let looks = 0;
    return waitFor(() => standstill.look(pid, beat, Date.now()) !== undefined || ++looks > 8, {
      what: 'some looks',
      everyMs: 30,
    }).then(() => looks <= 8);
  }

  it('an endless loop and a wait that no event ends are blocked', async () => {
    assert.equal(await isBlocked(await pidOf('for (;;);')), true);
    const waits = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';
    assert.equal(await isBlocked(await pidOf(waits)), true);
  });

  it('an idle process is not, nor one that a signal has stopped in the middle of a loop', async () => {
    assert.equal(await isBlocked(await pidOf('setInterval(() => {}, 1e6)')), false);
    const stopped = await pidOf('for (;;);');
    process.kill(stopped, 'SIGSTOP');
    assert.equal(await isBlocked(stopped), false);
  });
});
