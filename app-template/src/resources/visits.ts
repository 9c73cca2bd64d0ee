// Counts visits: in Redis where REDIS_URL is set (redis.ts), so that all workers count together, else in this worker's memory.

import type { Resource } from './resource.ts';

export interface Visits extends Resource {
  /** Counts one more. @returns how many there are now */
  count(): Promise<number>;
}

/** A count without Redis, to try the service out: each worker has its own and loses it when it ends. */
export function memoryVisits(): Visits {
  let visits = 0;
  return {
    name: 'visits in memory',
    async count() {
      return ++visits;
    },
  };
}
