// Picks the instance of an app whose heap is worth a look: the one with the largest heap, where a leak shows first.

/** Sorts instances, the largest heap first; equal ones keep their order. */
export function byLargestHeap<T>(instances: readonly T[], heapUsedOf: (instance: T) => number): T[] {
  return [...instances].sort((a, b) => heapUsedOf(b) - heapUsedOf(a));
}
