import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLimiter } from '../../maintenance/limiter.ts';

describe('the limit on what a client does', () => {
  it('is over after so many in a window, and not before; a new window begins anew', () => {
    let nowMs = 0;
    const limiter = createLimiter(2, 1_000, () => nowMs);
    limiter.count('10.0.0.1');
    assert.equal(limiter.isOver('10.0.0.1'), false);
    limiter.count('10.0.0.1');
    assert.equal(limiter.isOver('10.0.0.1'), true);
    assert.equal(limiter.isOver('10.0.0.2'), false);
    nowMs = 1_000;
    assert.equal(limiter.isOver('10.0.0.1'), false);
  });

  it('counts the addresses of one network of IPv6 as one client, and IPv4 in its IPv6 form as IPv4', () => {
    const same = (one: string, other: string) => {
      const limiter = createLimiter(1, 1_000, () => 0);
      limiter.count(one);
      return limiter.isOver(other);
    };
    assert.ok(same('2001:db8:1:2::1', '2001:0db8:1:2:ffff:ffff:ffff:ffff'));
    assert.ok(same('fe80::1%eth0', 'fe80::2'));
    assert.ok(same('::ffff:10.0.0.1', '10.0.0.1'));
    assert.ok(!same('2001:db8:1:2::1', '2001:db8:1:3::1'));
    assert.ok(!same('::ffff:10.0.0.1', '::ffff:10.0.0.2'));
    assert.ok(!same('::1', '127.0.0.1'));
  });

  it('remembers a bounded number of clients', () => {
    const limiter = createLimiter(1, 1_000, () => 0);
    limiter.count('first');
    for (let i = 0; i < 10_000; i++) limiter.count(`10.${i >> 8}.${i & 255}.1`);
    assert.equal(limiter.isOver('first'), false);
    assert.equal(limiter.isOver('10.39.15.1'), true);
  });
});
