// Does the memory of this process rise over minutes and hours? Between two collections a heap holds garbage, too, so the
// least memory that was seen in a stretch of time counts.
import type { MemoryTrend } from '../contract/actions/opsStatus.ts';
import { trendOf } from './statistics.ts';

/** Stretches that are kept. When all are used, two become one, until one is as long as the longest. */
const STRETCHES = 24;
const LONGEST_MS = 5 * 60_000;
/** Fewer stretches are no ground for a trend. */
const FEWEST = 5;

interface Stretch {
  /** When it began. */
  atMs: number;
  looks: number;
  /** Bytes. */
  lowest: number;
}

export interface TrendWatch {
  /** Looks at the memory: some microseconds. Never throws. */
  look(): void;
  /** null as long as there is not enough to tell. */
  trend(): MemoryTrend | null;
}

const RISES_BY_CHANCE = 0.01;

/**
 * Makes a watch; its owner calls `look` at a steady pace.
 * @param held bytes in use, garbage included
 */
export function createTrendWatch(held = heapAndBuffers, nowMs = () => performance.now()): TrendWatch {
  let stretches: Stretch[] = [];
  /** Looks in a stretch; doubled when two become one. */
  let width = 1;
  let widthMs = 0;

  return {
    look() {
      try {
        const lowest = held();
        const last = stretches.at(-1);
        if (last && last.looks < width) {
          last.looks += 1;
          last.lowest = Math.min(last.lowest, lowest);
          return;
        }
        if (last) widthMs = nowMs() - last.atMs;
        if (stretches.length === STRETCHES) makeRoom();
        stretches.push({ atMs: nowMs(), looks: 1, lowest });
      } catch {
        // An app may have put something of its own in the place of memoryUsage.
      }
    },
    trend() {
      // The last one may not have seen a collection yet.
      const whole = stretches.slice(0, -1);
      if (whole.length < FEWEST) return null;
      const { slope, low, high, chance } = trendOf(whole.map(({ atMs, lowest }) => ({ x: atMs, y: lowest })));
      const perMinute = (bytesPerMs: number) => Math.round(bytesPerMs * 60_000);
      return {
        minutes: Math.round((nowMs() - whole[0]!.atMs) / 60_000),
        bytesPerMinute: perMinute(slope),
        low: perMinute(low),
        high: perMinute(high),
        rising: low > 0 && chance < RISES_BY_CHANCE,
      };
    },
  };

  function makeRoom(): void {
    if (widthMs * 2 > LONGEST_MS) {
      stretches.shift();
      return;
    }
    width *= 2;
    stretches = stretches.flatMap((first, i) => {
      const second = stretches[i + 1];
      if (i % 2 === 1) return [];
      if (!second) return [first];
      return [{ ...first, looks: first.looks + second.looks, lowest: Math.min(first.lowest, second.lowest) }];
    });
  }
}

function heapAndBuffers(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
