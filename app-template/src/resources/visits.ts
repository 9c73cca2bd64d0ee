// Counts visits. In Redis where REDIS_URL is set (redis.ts), so that all workers count together, else in this worker's memory.

import type { Resource } from './resource.ts';

export interface Visits extends Resource {
  /** Counts one more; how many there were with it. */
  count(): Promise<number>;
}

/** A count without Redis, to try the service out: each worker has its own, gone with it. */
export function memoryVisits(): Visits {
  let visits = 0;
  return {
    name: 'visits in memory',
    async count() {
      return ++visits;
    },
  };
}
