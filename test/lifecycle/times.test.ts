import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exitTimes } from '../../lifecycle/times.ts';

describe('the time between the signal and SIGKILL', () => {
  for (const killTimeoutMs of [100, 1_600, 5_000, 30_000]) {
    it(`is shared out so that a service is gone before kill_timeout ${killTimeoutMs}, whatever hangs`, () => {
      for (const hasResources of [false, true]) {
        const { drainMs, closeMs, exitMs } = exitTimes(killTimeoutMs, hasResources);
        assert.ok(drainMs > 0 && drainMs <= closeMs && closeMs < exitMs, `${drainMs} ${closeMs} ${exitMs}`);
        assert.ok(exitMs <= killTimeoutMs - Math.min(50, killTimeoutMs / 4), `${exitMs} of ${killTimeoutMs}`);
      }
    });

    it(`leaves the resources a part of kill_timeout ${killTimeoutMs}, where there are any`, () => {
      const without = exitTimes(killTimeoutMs, false);
      assert.equal(without.drainMs, without.closeMs);
      const { drainMs, closeMs } = exitTimes(killTimeoutMs, true);
      assert.ok(closeMs - drainMs >= Math.min(100, closeMs / 2), `${drainMs} of ${closeMs}`);
      assert.ok(closeMs - drainMs <= 2_000, 'and no more than they need: it is the time of the clients');
    });
  }
});
