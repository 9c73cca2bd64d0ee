// Makes the figures of conditions of the samples of one process.
import type { FigureSample } from '../../contract/figures.ts';
import type { FigureCondition } from '../../contract/rules.ts';
import { createTrendWatch } from '../../diagnostics/memoryTrend.ts';

/** Errors are counted over this time. */
const ERRORS_OVER_MS = 60_000;
/** The trend changes slowly, and is worth some milliseconds. */
const TREND_EVERY_MS = 60_000;

export interface Series {
  /** Takes in the next sample. @returns the value of each condition; absent as long as there is not enough to tell */
  take(sample: FigureSample): Partial<Record<FigureCondition, number>>;
  /** The used heap, by the last sample. */
  heapUsedBytes(): number;
}

/** The series of a process that has just been seen for the first time. */
export function createSeries(): Series {
  /** The totals of errors in the last minute, oldest first. */
  let totals: { at: number; errors: number }[] = [];
  let last: FigureSample | undefined;
  let growth: number | undefined;
  let growthAt = 0;
  // By the clock of the samples: the module may read several of them at once.
  const trend = createTrendWatch(
    () => (last?.heapUsedBytes ?? 0) + (last?.externalBytes ?? 0),
    () => last?.at ?? 0,
  );

  return {
    heapUsedBytes: () => last?.heapUsedBytes ?? 0,
    take(sample) {
      last = sample;
      trend.look();
      const { at, delayP99Ms, utilization, heapUsedBytes, heapLimitBytes } = sample;
      const rising = growthNow(at);
      return {
        'delay-p99': delayP99Ms,
        utilization,
        ...(heapLimitBytes > 0 ? { heap: heapUsedBytes / heapLimitBytes } : {}),
        errors: errorsInAMinute(sample),
        ...(rising === undefined ? {} : { growth: rising }),
      };
    },
  };

  function errorsInAMinute({ at, serverErrors, exceptions, rejections }: FigureSample): number {
    const errors = serverErrors + exceptions + rejections;
    // An agent that was put in anew counts from zero.
    if (errors < (totals.at(-1)?.errors ?? 0)) totals = [];
    totals.push({ at, errors });
    while (totals.length > 1 && at - (totals[1]?.at ?? at) >= ERRORS_OVER_MS) totals.shift();
    return errors - (totals[0]?.errors ?? 0);
  }

  /** Bytes an hour, by the lower bound: 0 unless the memory rises beyond doubt. */
  function growthNow(at: number): number | undefined {
    if (at - growthAt < TREND_EVERY_MS) return growth;
    growthAt = at;
    const found = trend.trend();
    growth = found ? (found.rising ? Math.max(0, found.low * 60) : 0) : undefined;
    return growth;
  }
}
