// Where does the time go? V8's sampling CPU profiler for some seconds, and a file for DevTools or speedscope.
import type { CpuProfileFields } from '../contract/actions/cpuProfile.ts';
import type { Store } from './files.ts';
import { ownerOf } from './frames.ts';
import { mapPlaces, TOP, Weights } from './heaviest.ts';
import { type CpuNode, type CpuProfile, checkFolder, cpuProfileText, writeProfile } from './profileFile.ts';
import { type Run, withProfiler } from './profiler.ts';

/** A long profile samples more rarely, so that its file stays small: 30 s at one sample a millisecond. */
const MAX_SAMPLES = 30_000;
const MIN_INTERVAL_US = 1_000;

/** Profiles this process for some seconds. @throws {Refusal} E_DISK, E_BUSY */
export async function profileCpu(store: Store, { seconds }: { seconds: number }, run: Run): Promise<CpuProfileFields> {
  checkFolder(store);
  const profile = await withProfiler('cpu', 'cpu-profile', run, async ({ post, pause }) => {
    const interval = Math.max(MIN_INTERVAL_US, Math.ceil((seconds * 1e6) / MAX_SAMPLES));
    run.progress({ phase: 'sampling', detail: `for ${seconds} s` });
    await post('Profiler.enable');
    await post('Profiler.setSamplingInterval', { interval });
    await post('Profiler.start');
    await pause(seconds * 1000);
    return (await post<{ profile: CpuProfile }>('Profiler.stop')).profile;
  });
  const { busyMs, totalMs, weights } = weigh(profile);
  const heaviest = weights.sorted().slice(0, TOP);
  const places = await mapPlaces(heaviest);
  return {
    ...(await writeProfile(store, 'cpuprofile', cpuProfileText(profile))),
    seconds: Math.round(totalMs) / 1000,
    samples: profile.samples.length,
    busy: share(busyMs, totalMs),
    top: places.map((place, i) => {
      const selfMs = heaviest[i]!.value;
      return { ...place, selfMs: Math.round(selfMs), share: share(selfMs, busyMs) };
    }),
  };
}

/** Time per function, from each sample until the next one; waiting for events is no work. */
function weigh({ nodes, samples, timeDeltas, startTime, endTime }: CpuProfile) {
  const byId = new Map(nodes.map((node) => [node.id, { node, from: undefined as CpuNode | undefined }]));
  // A parent stands before its children.
  for (const parent of nodes) {
    for (const id of parent.children ?? []) {
      const child = byId.get(id);
      if (child) child.from = ownerOf(parent.callFrame) === 'native' ? byId.get(parent.id)?.from : parent;
    }
  }
  const selfMs = new Map<number, number>();
  let at = startTime + (timeDeltas[0] ?? 0);
  for (const [i, id] of samples.entries()) {
    const next = i + 1 < samples.length ? at + (timeDeltas[i + 1] ?? 0) : endTime;
    // Samples may be out of order by some microseconds.
    selfMs.set(id, (selfMs.get(id) ?? 0) + Math.max(0, next - at) / 1000);
    at = next;
  }
  const weights = new Weights();
  let busyMs = 0;
  for (const [id, ms] of selfMs) {
    const entry = byId.get(id);
    if (!entry || /^\((idle|root)\)$/.test(entry.node.callFrame.functionName)) continue;
    const { node, from } = entry;
    busyMs += ms;
    const { lines } = weights.add(node.callFrame, from?.callFrame, ms);
    for (const { line, ticks } of node.positionTicks ?? []) lines.set(line, (lines.get(line) ?? 0) + ticks);
  }
  return { busyMs, totalMs: (endTime - startTime) / 1000, weights };
}

function share(part: number, whole: number): number {
  return whole > 0 ? Math.round((part / whole) * 1000) / 1000 : 0;
}
