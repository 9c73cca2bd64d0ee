// The few statistics that the benchmarks need.

/** The value below which `share` (0 to 1) of the values lie, interpolated; NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below + (above - below) * (at - Math.floor(at));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export interface Summary {
  n: number;
  median: number;
  p95: number;
  min: number;
  max: number;
}

export function summary(values: readonly number[]): Summary {
  return {
    n: values.length,
    median: round(median(values)),
    p95: round(quantile(values, 0.95)),
    min: round(quantile(values, 0)),
    max: round(quantile(values, 1)),
  };
}

/** To so many digits after the point. */
export function round(value: number, digits = 2): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}

const RESAMPLES = 2000;

/**
 * The range that holds the median in 95 % of all runs like this one, by resampling. Values of one group (rounds on the
 * same processes) share what was luck of those processes, so whole groups are drawn first, then values within them.
 */
export function medianInterval(groups: readonly (readonly number[])[]): [low: number, high: number] {
  const random = seeded();
  const draw = <T>(from: readonly T[]) => from.map(() => from[Math.floor(random() * from.length)]!);
  const medians = Array.from({ length: RESAMPLES }, () => median(draw(groups).flatMap(draw)));
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}

/** The same sequence each time (mulberry32), so that the same samples give the same interval. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
