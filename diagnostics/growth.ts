// The leak verdict: does the memory that is held after full collections grow? The process has the benefit of the doubt: a
// leak grows all the time and leaves memory of every stretch of that time; warm-up levels off, bursts come and go.
import type { Growth, LeakReportFields } from '../contract/actions/leakReport.ts';
import { type Trend, trendOf } from './statistics.ts';

/** The process right after a full collection. Sizes in bytes: the heap, and buffers and the like outside of it. */
export interface Look {
  ms: number;
  /** CPU time that the process has used since it started. */
  cpuMs: number;
  requests: number;
  heap: number;
  external: number;
}

export type Verdict = LeakReportFields['verdict'];

/** Rates and sizes are from the looks that count. */
export type Judgement = Pick<LeakReportFields, 'verdict' | 'reason' | 'growth'>;

/** Fewer looks (beside the first) are no ground for a verdict. */
export const FEWEST_LOOKS = 4;

/** The chance to see such a rise where there is none must be below one in 200; where the survivors agree, `LIKELY` is enough. */
const CERTAIN = 0.005;
const LIKELY = 0.05;
const BEYOND_DOUBT = 0.001;
/**
 * Any heap grows, ever more slowly, by V8's knowledge of the code and by what libraries set up on first use: by up to so many
 * bytes while the CPU time of the process becomes e times as long.
 */
const WARM_UP = 512 * 2 ** 10;
/** Growth of fewer bytes in the whole time is no leak. */
const LEAST_GROWTH = 64 * 2 ** 10;
/** Growth must be so many times the distance of the looks from their line. */
const ABOVE_NOISE = 4;
/** A second half that grows less than this share of the first one levels off. */
const LEVELLING = 0.35;
/** Share of the growth that the survivors must account for. */
const SEEN_TO_STAY = 0.3;
/** The survivors confirm a growth that is at least this share of them; the rest may be a cache's. */
const AGREES = 0.5;
/** A possible rise of no more than that counts as steady: in bytes, and as a share of the size. */
const SMALL_GROWTH = 256 * 2 ** 10;
const SMALL_SHARE = 0.01;

/**
 * Gives the verdict.
 * @param looks in their order; the first one only removes garbage and does not count
 * @param survivors bytes that were allocated since and are there at the end, of the site that made most of them, and those
 * that stay as in a leak
 */
export function judge(looks: Look[], survivors: { largest: number; stays: number }): Judgement {
  const counted = looks.slice(1);
  const first = counted[0] ?? looks[0]!;
  const last = looks.at(-1)!;
  const warmUp = WARM_UP * Math.log(last.cpuMs / first.cpuMs);
  const heap = weigh(
    counted.map((look) => ({ ...look, size: look.heap })),
    { warmUp, survivors },
  );
  const external = weigh(
    counted.map((look) => ({ ...look, size: look.external })),
    { warmUp: 0 },
  );
  const perMinute = heap.trend.slope + external.trend.slope;
  const requests = last.requests - first.requests;
  const growth: Growth = {
    bytesPerMinute: minute(perMinute),
    low: minute(heap.trend.low + external.trend.low),
    high: minute(heap.trend.high + external.trend.high),
    bytesPerRequest: requests > 0 ? Math.round((perMinute * (last.ms - first.ms)) / requests) : null,
    requests,
    from: first.heap + first.external,
    to: last.heap + last.external,
  };
  if (counted.length < FEWEST_LOOKS) {
    return { verdict: 'unclear', reason: `there was time for too few looks at the heap (${counted.length})`, growth };
  }
  const which = [heap, external].find(({ verdict }) => verdict === 'growing') ?? {
    verdict: heap.verdict === 'steady' && external.verdict === 'steady' ? 'steady' : 'unclear',
    reason: heap.verdict === 'unclear' ? heap.reason : external.reason,
  };
  const outside = which === external ? ', outside of the heap (buffers and their like)' : '';
  return { verdict: which.verdict as Verdict, reason: which.reason + outside, growth };
}

interface Weighed {
  trend: Trend;
  verdict: Verdict;
  reason: string;
}

type Measured = Pick<Look, 'ms' | 'requests'> & { size: number };

function weigh(
  looks: Measured[],
  { warmUp, survivors }: { warmUp: number; survivors?: { largest: number; stays: number } },
): Weighed {
  const points = looks.map(({ ms, size }) => ({ x: ms, y: size }));
  if (points.length < 2) {
    const trend = { slope: 0, low: 0, high: 0, noise: 0, chance: 1 };
    return { trend, verdict: 'unclear', reason: '' };
  }
  const trend = trendOf(points);
  const unclear = (reason: string): Weighed => ({ trend, verdict: 'unclear', reason });
  const span = points.at(-1)!.x - points[0]!.x;
  const grew = trend.slope * span;
  const seemsToGrow = grew >= Math.max(LEAST_GROWTH, ABOVE_NOISE * trend.noise) && trend.chance <= LIKELY;
  if (!seemsToGrow) {
    const small = Math.max(SMALL_GROWTH, SMALL_SHARE * points[0]!.y, ABOVE_NOISE * trend.noise);
    if (trend.high * span > small) return unclear('what it holds goes up and down too much to tell');
    return { trend, verdict: 'steady', reason: 'what it holds does not grow' };
  }
  if (grew < warmUp) return unclear('what it holds grew no more than in any process that is still warming up');
  if (levelsOff(looks)) return unclear('what it holds grew, and less and less so');
  const stay = survivors === undefined || survivors.stays >= SEEN_TO_STAY * grew;
  // One large array that is copied whenever it grows is young at every look. It is one site's: what many have made a little
  // of is a process that warms up.
  const copied = survivors !== undefined && trend.chance <= BEYOND_DOUBT && survivors.largest >= grew / 2;
  if (!stay && !copied) return unclear('what it holds grew, but little of what was allocated meanwhile stayed');
  // A rise that the looks alone do not make certain is confirmed by as much that stays.
  const agree = survivors !== undefined && grew >= AGREES * survivors.stays;
  if (trend.chance > CERTAIN && !agree) return unclear('what it holds seems to grow, but not for certain');
  return { trend, verdict: 'growing', reason: 'what it holds grew all the time' };
}

/** Per request where there are any: a leak follows them, and an app that has less to do grows less. */
function levelsOff(looks: Measured[]): boolean {
  if (looks.length < 6) return false;
  const served = looks.at(-1)!.requests - looks[0]!.requests;
  const points = looks.map(({ ms, requests, size }) => ({ x: served >= looks.length ? requests : ms, y: size }));
  const middle = Math.floor(points.length / 2);
  const early = trendOf(points.slice(0, middle + 1)).slope;
  const late = trendOf(points.slice(middle)).slope;
  return late < LEVELLING * early;
}

function minute(bytesPerMs: number): number {
  return Math.round(bytesPerMs * 60_000);
}
