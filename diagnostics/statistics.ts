// Is a series of measurements rising, and how fast? Robust against a few wild values and against any shape of noise: ranks
// and medians, no assumption of a distribution.

export interface Point {
  x: number;
  y: number;
}

export interface Trend {
  /** Median of the slopes between all pairs of points (Theil and Sen), in y per x, and its 90 % interval. */
  slope: number;
  low: number;
  high: number;
  /** Half of the points are closer to the line than this, in y. */
  noise: number;
  /** How likely points without any trend rise at least as consistently (Mann and Kendall, one-sided). */
  chance: number;
}

/** z of a 90 % interval. */
const Z_90 = 1.645;

/** The trend of at least two points with different x. */
export function trendOf(points: Point[]): Trend {
  const slopes: number[] = [];
  let rising = 0;
  for (const [i, a] of points.entries()) {
    for (const b of points.slice(i + 1)) {
      if (b.x === a.x) continue;
      slopes.push((b.y - a.y) / (b.x - a.x));
      rising += Math.sign(b.y - a.y);
    }
  }
  slopes.sort((a, b) => a - b);
  const slope = quantile(slopes, 0.5);
  // The interval from the variance of Kendall's statistic (Sen, 1968).
  const n = points.length;
  const width = Z_90 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const at = (rank: number) => slopes[Math.min(slopes.length - 1, Math.max(0, rank))] ?? 0;
  const intercept = median(points.map(({ x, y }) => y - slope * x));
  return {
    slope,
    low: at(Math.floor((slopes.length - width) / 2)),
    high: at(Math.ceil((slopes.length + width) / 2)),
    noise: median(points.map(({ x, y }) => Math.abs(y - intercept - slope * x))),
    chance: chanceOf(n, rising),
  };
}

/** The middle of some values; 0 of none. */
export function median(values: number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}

function quantile(sorted: number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)] ?? 0;
  const above = sorted[Math.ceil(at)] ?? 0;
  return (below + above) / 2;
}

/**
 * The exact share of all orders of n values in which at least that many more pairs rise than fall: the number of inversions
 * of a permutation, counted by inserting one value after the other.
 */
function chanceOf(n: number, rising: number): number {
  let counts = [1];
  for (let size = 2; size <= n; size++) {
    const next = new Array<number>(counts.length + size - 1).fill(0);
    for (const [inversions, count] of counts.entries()) {
      // The new value comes before 0 to size - 1 of those that are there.
      for (let k = 0; k < size; k++) next[inversions + k]! += count / size;
    }
    counts = next;
  }
  // rising = pairs - 2 × inversions
  const most = (n * (n - 1)) / 2;
  return counts.reduce((sum, share, inversions) => (most - 2 * inversions >= rising ? sum + share : sum), 0);
}
