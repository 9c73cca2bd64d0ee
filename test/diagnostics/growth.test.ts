import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, type Look, type Verdict } from '../../diagnostics/growth.ts';

const MB = 2 ** 20;
const RUNS = 400;

/** Repeatable chance (Park and Miller). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48_271) % 0x7fffffff;
    return state / 0x7fffffff;
  };
}

interface Story {
  looks?: number;
  seconds?: number;
  /** Bytes held beside 60 MB after so many seconds. */
  held(second: number): number;
  /** How far a look is off, in bytes, either way. */
  noise: number;
  /** What the profiler sees of what was allocated meanwhile: still there from one site, and there of every stretch of time. */
  largest: number;
  stays: number;
  cpuMsAtStart?: number;
}

function verdicts({ looks = 8, seconds = 60, held, noise, largest, stays, cpuMsAtStart = 1e6 }: Story) {
  const counts: Record<Verdict, number> = { growing: 0, steady: 0, unclear: 0 };
  for (let seed = 1; seed <= RUNS; seed++) {
    const chance = dice(seed * 7919);
    for (let i = 0; i < 10; i++) chance();
    const series = Array.from({ length: looks + 1 }, (_, i): Look => {
      const second = i === 0 ? 0 : (seconds * (i + (i < looks ? chance() - 0.5 : 0) / 2)) / looks;
      return {
        ms: second * 1000,
        cpuMs: cpuMsAtStart + second * 200,
        requests: Math.round(second * 50),
        heap: 60 * MB + held(second) + (chance() + chance() - 1) * noise,
        external: 2 * MB,
      };
    });
    counts[judge(series, { largest, stays }).verdict] += 1;
  }
  return counts;
}

describe('the verdict on memory', () => {
  it('is growing for a leak, also a slow one under noise, and hardly ever anything else', () => {
    const fast = verdicts({ held: (s) => s * 0.1 * MB, noise: 0.2 * MB, largest: 6 * MB, stays: 5 * MB });
    assert.equal(fast.growing, RUNS, JSON.stringify(fast));
    const slow = verdicts({ held: (s) => s * 0.01 * MB, noise: 0.1 * MB, largest: 0.6 * MB, stays: 0.4 * MB });
    assert.ok(slow.growing > 0.8 * RUNS && slow.steady === 0, JSON.stringify(slow));
  });

  it('is growing for a leak with few looks, where what stays confirms it', () => {
    const few = verdicts({ looks: 4, held: (s) => s * 0.1 * MB, noise: 0.2 * MB, largest: 6 * MB, stays: 5 * MB });
    assert.ok(few.growing > 0.99 * RUNS, JSON.stringify(few));
    const fewer = verdicts({ looks: 3, held: (s) => s * 0.1 * MB, noise: 0.2 * MB, largest: 6 * MB, stays: 5 * MB });
    assert.equal(fewer.unclear, RUNS, JSON.stringify(fewer));
  });

  it('is steady for a cache that replaces its entries, however many of them are new', () => {
    const cache = verdicts({ held: () => 0, noise: 0.1 * MB, largest: 20 * MB, stays: 20 * MB });
    assert.ok(cache.growing <= 2 && cache.steady > 0.9 * RUNS, JSON.stringify(cache));
  });

  it('is not growing for bursts of any size and rhythm, but in one of some hundred cases', () => {
    for (const period of [3, 7, 20, 45, 90]) {
      const bursts = verdicts({
        held: (s) => 8 * MB * Math.max(0, Math.sin((2 * Math.PI * s) / period)),
        noise: 0.2 * MB,
        largest: 8 * MB,
        stays: 0.5 * MB,
      });
      assert.ok(bursts.growing <= 2, `every ${period} s: ${JSON.stringify(bursts)}`);
    }
  });

  it('is not growing for a cache that fills up, nor for a process that warms up', () => {
    const filling = verdicts({
      held: (s) => 10 * MB * (1 - Math.exp(-s / 12)),
      noise: 0.05 * MB,
      largest: 10 * MB,
      stays: 3 * MB,
    });
    assert.ok(filling.growing <= 2, JSON.stringify(filling));
    const warming = verdicts({
      held: (s) => 0.2 * MB * Math.log(1 + s / 5),
      noise: 0.01 * MB,
      largest: 0.5 * MB,
      stays: 0.4 * MB,
      cpuMsAtStart: 1000,
    });
    assert.ok(warming.growing <= 2, JSON.stringify(warming));
    // With an even rise, which many have made a little of.
    const evenly = verdicts({
      seconds: 12,
      held: (s) => 0.03 * MB * s,
      noise: 0.001 * MB,
      largest: 0.01 * MB,
      stays: 0.01 * MB,
      cpuMsAtStart: 3000,
    });
    assert.equal(evenly.growing, 0, JSON.stringify(evenly));
  });

  it('is growing for one large array that is copied whenever it grows', () => {
    const copied = verdicts({ held: (s) => s * 0.1 * MB, noise: 0.02 * MB, largest: 6 * MB, stays: 0 });
    assert.equal(copied.growing, RUNS, JSON.stringify(copied));
  });

  it('is growing for buffers outside of the heap, and says so', () => {
    const looks = Array.from({ length: 9 }, (_, i): Look => {
      return { ms: i * 7000, cpuMs: 1e6, requests: i * 100, heap: 60 * MB, external: (2 + i) * MB };
    });
    const { verdict, reason, growth } = judge(looks, { largest: 0, stays: 0 });
    assert.equal(verdict, 'growing');
    assert.match(reason, /outside of the heap/);
    assert.equal(growth.bytesPerRequest, Math.round(MB / 100));
    assert.ok(Math.abs(growth.bytesPerMinute - (MB * 60) / 7) < 10);
  });

  it('is unclear for buffers that rise in a few looks only: that is chance in one of 120 cases', () => {
    const looks = Array.from({ length: 6 }, (_, i): Look => {
      return { ms: i * 7000, cpuMs: 1e6, requests: i * 100, heap: 60 * MB, external: (2 + i) * MB };
    });
    const { verdict, reason } = judge(looks, { largest: 0, stays: 0 });
    assert.equal(verdict, 'unclear');
    assert.match(reason, /not for certain/);
  });
});
