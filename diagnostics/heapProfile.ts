// What allocates the memory that stays, or, with `garbage`, all of it? V8's sampling heap profiler for some seconds.
import type { HeapProfileFields } from '../contract/actions/heapProfile.ts';
import type { Store } from './files.ts';
import { ownerOf } from './frames.ts';
import { allocators, nearest, startSampling, stopSampling } from './heapSampling.ts';
import { mapPlaces, TOP, Weights } from './heaviest.ts';
import { checkFolder, heapProfileText, writeProfile } from './profileFile.ts';
import { type Run, withProfiler } from './profiler.ts';

/**
 * Samples the allocations of this process for some seconds.
 * @throws {Refusal} E_DISK, E_BUSY
 */
export async function profileHeap(
  store: Store,
  { seconds, garbage }: { seconds: number; garbage: boolean },
  run: Run,
): Promise<HeapProfileFields> {
  checkFolder(store);
  const profile = await withProfiler('heap', 'heap-profile', run, async (profiler) => {
    run.progress({ phase: 'sampling', detail: `for ${seconds} s` });
    await startSampling(profiler, { seconds, garbage });
    await profiler.pause(seconds * 1000);
    return stopSampling(profiler);
  });
  const weights = new Weights();
  let total = 0;
  for (const { node, above } of allocators(profile.head)) {
    total += node.selfSize;
    weights.add(
      node.callFrame,
      nearest(above, (frame) => ownerOf(frame) !== 'native'),
      node.selfSize,
    );
  }
  const heaviest = weights.sorted().slice(0, TOP);
  const places = await mapPlaces(heaviest);
  return {
    ...(await writeProfile(store, 'heapprofile', heapProfileText(profile))),
    seconds,
    samples: profile.samples.length,
    allocated: Math.round(total),
    top: places.map((place, i) => {
      const size = heaviest[i]!.value;
      return { ...place, size: Math.round(size), share: total > 0 ? Math.round((size / total) * 1000) / 1000 : 0 };
    }),
  };
}
