import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pollUntil, withTimeout } from '../../shared/time.ts';

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('withTimeout', () => {
  it('answers what the promise brings, and leaves no timer', async () => {
    const before = timers();
    assert.equal(await withTimeout(Promise.resolve(7), 60_000, () => assert.fail('not late')), 7);
    const refused = Promise.reject(new Error('refused'));
    await assert.rejects(withTimeout(refused, 60_000, Boolean), /refused/);
    assert.equal(timers(), before);
  });

  it('answers what it is told to when the promise is late, and swallows what comes then', async () => {
    let fail = (_: Error) => {};
    const late = new Promise<number>((_, reject) => {
      fail = reject;
    });
    assert.equal(await withTimeout(late, 5, () => 'late'), 'late');
    fail(new Error('nobody waits for this'));
    await sleep(1);
  });

  it('rejects with what its answer to a late promise throws', async () => {
    const never = new Promise<never>(() => {});
    const late = () => {
      throw new Error('too late');
    };
    await assert.rejects(withTimeout(never, 1, late), /too late/);
  });

  it('does not keep the process alive where it is not to', async () => {
    const before = timers();
    const never = withTimeout(new Promise<never>(() => {}), 50, () => 'late', { ref: false });
    assert.equal(timers(), before);
    // Something else keeps it alive for so long.
    await sleep(100);
    assert.equal(await never, 'late');
  });
});

describe('pollUntil', () => {
  it('answers the first value that is there, looking at once', async () => {
    let looks = 0;
    assert.equal(await pollUntil(() => ++looks === 1 && 'there', { everyMs: 60_000, timeoutMs: 60_000 }), 'there');
    assert.equal(await pollUntil(async () => ++looks >= 4 && looks, { everyMs: 1, timeoutMs: 60_000 }), 4);
  });

  it('looks a last time at the deadline, however long the pause is, and answers what it saw', async () => {
    let looks = 0;
    assert.equal(await pollUntil(() => ++looks && null, { everyMs: 60_000, timeoutMs: 10 }), null);
    // A timer may come a fraction of a millisecond early.
    assert.ok(looks === 2 || looks === 3, String(looks));
    looks = 0;
    await pollUntil(() => ++looks && null, { everyMs: 1, timeoutMs: 0 });
    assert.equal(looks, 1);
  });

  it('ends with its signal, without a timer left', async () => {
    const before = timers();
    const abort = new AbortController();
    const polling = pollUntil(() => false, { everyMs: 60_000, timeoutMs: 60_000, signal: abort.signal });
    await sleep(1);
    abort.abort();
    assert.equal(await polling, false);
    assert.equal(timers(), before);
  });

  it('asks for each pause anew, and rejects with what a look throws', async () => {
    const pauses = [1, 2];
    let looks = 0;
    await pollUntil(() => ++looks === 3, { everyMs: () => pauses.shift() ?? assert.fail(), timeoutMs: 60_000 });
    await assert.rejects(
      pollUntil(() => Promise.reject(new Error('unreadable')), { everyMs: 1, timeoutMs: 60_000 }),
      /unreadable/,
    );
  });
});
