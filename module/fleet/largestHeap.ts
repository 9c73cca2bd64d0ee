// Which instance of an app is worth a look at its heap? The one with the largest: a leak shows there first.

/** Sorted, the largest heap first; those that are equal stay in their order. */
export function byLargestHeap<T>(instances: readonly T[], heapUsedOf: (instance: T) => number): T[] {
  return [...instances].sort((a, b) => heapUsedOf(b) - heapUsedOf(a));
}
