// Does it leak, how fast, and which lines allocate the memory that stays? The size after full collections says whether,
// V8's sampling heap profiler says where. Collections stop the app, so there are only as many as its share of the CPU
// allows.
import type { LeakReportFields, LeakSite } from '../contract/actions/leakReport.ts';
import type { Store } from './files.ts';
import { describe, placeOf } from './frames.ts';
import { type FullCollection, openCollector } from './fullCollection.ts';
import { FEWEST_LOOKS, judge, type Look } from './growth.ts';
import { startSampling, stopSampling } from './heapSampling.ts';
import { mapPlaces } from './heaviest.ts';
import { checkFolder, type HeapProfile, heapProfileText, writeProfile } from './profileFile.ts';
import { type Profiler, type Run, withProfiler } from './profiler.ts';
import { watchRequests } from './requestWatch.ts';
import { type Site, survivorsOf } from './survivors.ts';

/** Share of one CPU that the collections may take; sampling takes half a per cent beside it. */
const COLLECTIONS_SHARE = 0.025;
/** Looks beside the first: more of them make nothing surer. */
const MOST_LOOKS = 8;
/** The first look is not counted, and V8 collects once more when the sampling stops. */
const UNCOUNTED = 2;
/** Looks come at odd times, so that what the app does in rounds does not look like a trend: share of the time between two. */
const JITTER = 0.5;
/** How long a collection waits for a request to hold: an app with fewer requests recompiles little. */
const REQUEST_WITHIN_MS = 100;
/** Sites that the reply names, and those that the file has. */
const NAMED = 5;
const FILED = 100;
/** A site with less than this share of the memory that stays is noise beside the first one. */
const LEAST_SHARE = 0.01;

/**
 * Watches this process for some seconds.
 * @param longestSeconds what the caller may ask for at most: a heap that needs more is better dumped
 * @throws {Refusal} E_DISK, E_BUSY
 */
export async function reportLeaks(
  store: Store,
  { seconds, longestSeconds }: { seconds: number; longestSeconds: number },
  run: Run,
): Promise<LeakReportFields> {
  checkFolder(store);
  const { profile, looks, cost, sampledMs } = await withProfiler('heap', 'leak-report', run, (profiler) =>
    watch(profiler, seconds, run.progress),
  );
  const survivors = survivorsOf(profile);
  const { verdict, reason, growth } = judge(looks, survivors);
  const all = await name(survivors.sites.slice(0, FILED), survivors.stays, sampledMs);
  const outcome = {
    verdict,
    reason: looks.length - 1 < FEWEST_LOOKS ? `${reason}; ${tooDear(cost, longestSeconds)}` : reason,
    growth,
    sites: all.slice(0, NAMED).filter(({ share }, i) => i === 0 || share >= LEAST_SHARE),
  };
  const written = await writeProfile(
    store,
    'heapprofile',
    heapProfileText(profile, { leakReport: { ...outcome, sites: all, looks, cost } }),
  );
  return {
    ...outcome,
    ...written,
    seconds,
    collections: cost.collections,
    longestHoldMs: Math.round(cost.longestHoldMs),
  };
}

interface Cost {
  collections: number;
  /** CPU time of the dearest one, and how long it stopped the app. */
  cpuMs: number;
  longestHoldMs: number;
}

interface Watched {
  profile: HeapProfile;
  looks: Look[];
  cost: Cost;
  /** How long allocations were sampled. */
  sampledMs: number;
}

async function watch(profiler: Profiler, seconds: number, tell: Run['progress']): Promise<Watched> {
  tell({ phase: 'watching', detail: `for ${seconds} s` });
  const collect = openCollector();
  const requests = watchRequests();
  const began = performance.now();
  const endMs = seconds * 1000;
  const looks: Look[] = [];
  const cost: Cost = { collections: 0, cpuMs: 0, longestHoldMs: 0 };
  const look = async () => {
    const held = [await Promise.race([requests.next(), profiler.pause(REQUEST_WITHIN_MS)])];
    const { heap, external, cpuMs, lifeCpuMs, heldMs }: FullCollection = collect();
    held.length = 0;
    cost.collections += 1;
    cost.cpuMs = Math.max(cost.cpuMs, cpuMs);
    cost.longestHoldMs = Math.max(cost.longestHoldMs, heldMs);
    looks.push({ ms: performance.now(), cpuMs: lifeCpuMs, requests: requests.count(), heap, external });
  };
  const until = (ms: number) => profiler.pause(Math.max(0, ms - (performance.now() - began)));
  try {
    await startSampling(profiler, { seconds });
    const sampledFrom = performance.now();
    await look();
    const affordable = Math.floor((endMs * COLLECTIONS_SHARE) / Math.max(1, cost.cpuMs));
    const count = Math.min(MOST_LOOKS, affordable - UNCOUNTED);
    const firstMs = performance.now() - began;
    const stepMs = (endMs - firstMs) / Math.max(1, count);
    for (let i = 1; i < count; i++) {
      const size = `${Math.round(looks.at(-1)!.heap / 2 ** 20)} MB held`;
      tell({ phase: 'watching', detail: `look ${i} of ${count + 1}, ${size}` });
      await until(firstMs + stepMs * (i + JITTER * (Math.random() - 0.5)));
      await look();
    }
    await until(endMs);
    if (count > 0) await look();
    const sampledMs = performance.now() - sampledFrom;
    const profile = await stopSampling(profiler);
    cost.collections += 1;
    return { profile, looks, cost, sampledMs };
  } finally {
    requests.stop();
  }
}

async function name(sites: Site[], allThatStays: number, sampledMs: number): Promise<LeakSite[]> {
  const places = await mapPlaces(sites.map(({ frame }) => ({ frame, lines: new Map() })));
  return places.map((place, i) => {
    const { inside, kept, stays, samples } = sites[i]!;
    return {
      ...place,
      ...(inside ? { allocatedIn: describe(placeOf(inside)) } : {}),
      bytesPerMinute: Math.round((stays * 60_000) / sampledMs),
      share: allThatStays > 0 ? Math.round((stays / allThatStays) * 1000) / 1000 : 0,
      kept: Math.round(kept),
      samples,
    };
  });
}

/** Says how long a report would have to watch. */
function tooDear({ cpuMs, longestHoldMs }: Cost, longestSeconds: number): string {
  const enough = Math.ceil(((FEWEST_LOOKS + UNCOUNTED) * cpuMs) / COLLECTIONS_SHARE / 1000);
  if (enough > longestSeconds) {
    return `a full collection takes ${Math.round(cpuMs)} ms of CPU time here, too much to watch this heap: dump it (heapdump)`;
  }
  return `a full collection stops this process for ${Math.round(longestHoldMs)} ms, and no more of them are made than cost little: ask for seconds=${enough}`;
}
