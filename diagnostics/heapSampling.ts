// V8's sampling heap profiler at a small price: it samples the more rarely, the faster the app allocates.
import { getHeapStatistics } from 'node:v8';
import type { CallFrame } from './frames.ts';
import type { HeapNode, HeapProfile } from './profileFile.ts';
import type { Profiler } from './profiler.ts';

/** A sample costs about 8 µs (a call stack of 25 functions, Node 20): half a per cent of a core. */
const SAMPLES_PER_SECOND = 600;
/** In all, however long it runs: V8 keeps each sample as long as the object that it stands for, and lists it at the end. */
const MAX_SAMPLES = 120_000;
const MIN_INTERVAL = 4 * 2 ** 10;
const MAX_INTERVAL = 4 * 2 ** 20;

/** How long and how often the size of the heap is read, to learn how fast the app allocates. */
const LOOK_MS = 300;
const LOOK_EVERY_MS = 5;

/**
 * Starts sampling the allocations from now on.
 * @param seconds for which it is going to run
 * @param garbage counts memory that was collected meanwhile, too
 */
export async function startSampling(
  profiler: Profiler,
  { seconds, garbage = false }: { seconds: number; garbage?: boolean },
): Promise<void> {
  const bytesPerSecond = await allocationRate(profiler);
  const perSecond = Math.min(SAMPLES_PER_SECOND, MAX_SAMPLES / seconds);
  const samplingInterval = Math.round(Math.min(MAX_INTERVAL, Math.max(MIN_INTERVAL, bytesPerSecond / perSecond)));
  await profiler.post('HeapProfiler.startSampling', {
    samplingInterval,
    includeObjectsCollectedByMajorGC: garbage,
    includeObjectsCollectedByMinorGC: garbage,
  });
}

/** Stops it. V8 does a full collection first, so that the profile holds only memory that stays. */
export async function stopSampling({ post }: Profiler): Promise<HeapProfile> {
  const { head, samples } = (await post<{ profile: HeapProfile }>('HeapProfiler.stopSampling')).profile;
  // V8 allocates while it makes the tree, and lists the samples of that, too; their nodes are missing.
  const known = new Set<number>();
  for (const { node } of allocators(head)) known.add(node.id);
  return { head, samples: samples.filter(({ nodeId }) => known.has(nodeId)) };
}

/** The callers of an allocation, the nearest first. */
export interface Callers {
  frame: CallFrame;
  above: Callers | undefined;
}

/** Every node of the tree that has memory of its own, with its callers. */
export function* allocators(head: HeapNode): Generator<{ node: HeapNode; above: Callers | undefined }> {
  const stack: { node: HeapNode; above: Callers | undefined }[] = [{ node: head, above: undefined }];
  for (let each = stack.pop(); each; each = stack.pop()) {
    const { node, above } = each;
    if (node.selfSize > 0) yield each;
    for (const child of node.children) stack.push({ node: child, above: { frame: node.callFrame, above } });
  }
}

/** The nearest caller for which `is` holds. */
export function nearest(callers: Callers | undefined, is: (frame: CallFrame) => boolean): CallFrame | undefined {
  for (let each = callers; each; each = each.above) if (is(each.frame)) return each.frame;
  return undefined;
}

/** Bytes per second. It misses the little that is collected between two readings. */
async function allocationRate({ pause }: Profiler): Promise<number> {
  const began = performance.now();
  let allocated = 0;
  let before = getHeapStatistics().used_heap_size;
  while (performance.now() - began < LOOK_MS) {
    await pause(LOOK_EVERY_MS);
    const now = getHeapStatistics().used_heap_size;
    allocated += Math.max(0, now - before);
    before = now;
  }
  return (allocated * 1000) / (performance.now() - began);
}
