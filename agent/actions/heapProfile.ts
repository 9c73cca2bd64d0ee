// What allocates the memory that stays, or, with garbage=true, all of it? V8's sampling heap profiler for some seconds.

import { ownerOf } from '../../diagnostics/frames.ts';
import { allocators, nearest, startSampling, stopSampling } from '../../diagnostics/heapSampling.ts';
import { mapPlaces, TOP, Weights } from '../../diagnostics/heaviest.ts';
import { checkFolder, heapProfileText, writeProfile } from '../../diagnostics/profileFile.ts';
import { withProfiler } from '../../diagnostics/profiler.ts';
import type { Actions } from '../context.ts';

export const heapProfile: Actions['heap-profile'] = async (params, context) => {
  checkFolder(context.options.stateDir);
  const profile = await withProfiler('heap', 'heap-profile', context, async (profiler) => {
    context.progress({ phase: 'sampling', detail: `for ${params.seconds} s` });
    await startSampling(profiler, { seconds: Number(params.seconds), garbage: params.garbage === true });
    await profiler.pause(Number(params.seconds) * 1000);
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
    ...(await writeProfile(context.options, 'heapprofile', heapProfileText(profile))),
    seconds: Number(params.seconds),
    samples: profile.samples.length,
    allocated: Math.round(total),
    top: places.map((place, i) => {
      const size = heaviest[i]!.value;
      return { ...place, size: Math.round(size), share: total > 0 ? Math.round((size / total) * 1000) / 1000 : 0 };
    }),
  };
};
