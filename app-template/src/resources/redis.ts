// Visits in Redis, over one connection that each worker has for itself.

import { Redis } from 'ioredis';
import type { Visits } from './visits.ts';

/** A server that does not answer is down; in milliseconds. */
const CONNECT_TIMEOUT_MS = 3_000;
/** A command without an answer by then fails, in milliseconds: below kill_timeout, so that a worker that leaves has them all. */
const COMMAND_TIMEOUT_MS = 5_000;
/** The longest pause between two tries to connect again, in milliseconds. */
const RETRY_MS = 1_000;

/** @param url `redis://user:password@host:6379/0` */
export function redisVisits(url: string): Visits {
  const redis = new Redis(url, {
    connectionName: 'app-template',
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: (tries) => Math.min(RETRY_MS, tries * 50),
    // While the server is away commands fail at once. And one whose answer was lost fails, too, and is not sent again: it
    // may have been done, and nothing is to be done twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
  });
  // It tells each failed try to connect; what matters of it is told by open() and check().
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
      // Redis answers in order: with the answer to QUIT every earlier command has its own.
      if (redis.status === 'ready') await redis.quit();
      else redis.disconnect();
    },
    count() {
      return redis.incr('app-template:visits');
    },
  };
}
