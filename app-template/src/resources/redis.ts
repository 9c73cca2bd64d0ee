// Visits in Redis, over one connection that each worker has for itself.

import { Redis } from 'ioredis';
import type { Visits } from './visits.ts';

/** A server that does not answer within this time is down. */
const CONNECT_TIMEOUT_MS = 3_000;
/** A command without an answer fails after this time: below kill_timeout, so that a worker that leaves waits for all of them. */
const COMMAND_TIMEOUT_MS = 5_000;
/** The longest pause between two tries to connect again. */
const RETRY_MS = 1_000;

/** @param url `redis://user:password@host:6379/0` */
export function redisVisits(url: string): Visits {
  const redis = new Redis(url, {
    connectionName: 'app-template',
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: (tries) => Math.min(RETRY_MS, tries * 50),
    // While the server is away commands fail at once. A command whose answer was lost fails, too, and is not sent again: the
    // server may have run it, and must not run it twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  // ioredis reports each failed try to connect here; open() and check() report those that matter.
  let lastError: Error | undefined;
  redis.on('error', (error: Error) => {
    lastError = error;
  });

  return {
    name: 'redis',
    async open() {
      try {
        await redis.connect();
      } catch (error) {
        redis.disconnect();
        throw lastError ?? error;
      }
    },
    async check() {
      await redis.ping();
    },
    async close() {
      // Redis answers in order: once QUIT is answered, every earlier command is.
      if (redis.status === 'ready') await redis.quit();
      else redis.disconnect();
    },
    count() {
      return redis.incr('app-template:visits');
    },
  };
}
