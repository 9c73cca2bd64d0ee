import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MemoryTrend } from '../../contract/actions/opsStatus.ts';
import { createTrendWatch } from '../../diagnostics/memoryTrend.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

/** Looks every 10 s, as with the lease; memory goes up and down by its garbage. */
function watchFor(minutes: number, live: (minute: number) => number) {
  let nowMs = 0;
  let bytes = 0;
  const watch = createTrendWatch(
    () => bytes,
    () => nowMs,
  );
  for (let look = 0; look < minutes * 6; look++) {
    nowMs = look * 10_000;
    const garbage = ((look * 7919) % 23) * 2 ** 20;
    bytes = live(nowMs / 60_000) + garbage;
    watch.look();
  }
  return watch.trend();
}

describe('the trend of the memory', () => {
  it('is not told before there is enough to see', () => {
    assert.equal(
      watchFor(0.5, () => 50e6),
      null,
    );
  });

  it('is the growth of what is held, whatever garbage lies on it', () => {
    for (const minutes of [30, 60, 600, 6000]) {
      const trend = watchFor(minutes, (minute) => 50e6 + 1e6 * minute)!;
      assert.equal(trend.rising, true, JSON.stringify(trend));
      assert.ok(trend.bytesPerMinute > 0.8e6 && trend.bytesPerMinute < 1.2e6, JSON.stringify(trend));
      assert.ok(trend.low <= trend.bytesPerMinute && trend.bytesPerMinute <= trend.high);
    }
  });

  it('goes back two hours at most, so that a leak which has begun is seen', () => {
    const trend = watchFor(3000, (minute) => 50e6 + 1e6 * Math.max(0, minute - 2940))!;
    assert.ok(trend.minutes <= 130, JSON.stringify(trend));
    const later = watchFor(3000, (minute) => 50e6 + 1e6 * Math.max(0, minute - 2880))!;
    assert.equal(later.rising, true, JSON.stringify(later));
  });

  it('does not rise while the memory goes up and down', () => {
    for (const minutes of [5, 30, 60, 600]) {
      const trend = watchFor(minutes, (minute) => 50e6 + 10e6 * Math.sin(minute / 3));
      assert.notEqual(trend?.rising, true, JSON.stringify(trend));
    }
    assert.equal(watchFor(60, () => 50e6)?.rising, false);
  });

  it('survives an app that has something of its own in the place of memoryUsage', () => {
    const watch = createTrendWatch(() => {
      throw new Error('not today');
    });
    watch.look();
    assert.equal(watch.trend(), null);
  });
});

describe('ops-status', () => {
  it('says of a process that leaks under load that its memory rises, and nothing as long as there is too little to tell', async () => {
    const pm2 = await startWithModule({ env: { PM2_OPS_LEASE_MS: '3000' } });
    try {
      const port = await freePort();
      await pm2.startApp({ name: 'leaks', script: app('leaks/array.cjs'), env: { PORT: port } });
      await untilServing({ port });
      await untilAttached(pm2, 'leaks');
      const trend = async () => (await pm2.triggerOne<{ trend: MemoryTrend | null }>('leaks', 'ops-status')).trend;
      assert.equal(await trend(), null);
      const load = startLoad({ port, clients: 4, pauseMs: 20 });
      const rising = await waitFor(
        async () => {
          const now = await trend();
          return now?.rising && now;
        },
        { what: 'a rising trend', timeoutMs: 60_000, everyMs: 500 },
      );
      await load.stop();
      assert.ok(rising.low > 0 && rising.low <= rising.bytesPerMinute, JSON.stringify(rising));
    } finally {
      await pm2.kill();
    }
  });
});
