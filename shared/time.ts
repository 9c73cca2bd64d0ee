// Waiting with a deadline: for a promise, and for a state that has to be looked at. For the module's process and the command,
// whose timers are Node's own.

import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** False where the wait alone is not to keep the process alive. Default true. */
  ref?: boolean;
}

/**
 * What a promise brings, or what `onTimeout` returns when it is not settled in time. The promise itself is not stopped, and
 * a rejection that comes too late is no unhandled one. The timer ends with the wait.
 */
export function withTimeout<T, U>(
  promise: Promise<T>,
  timeoutMs: number,
  onTimeout: () => U | Promise<U>,
  { ref = true }: WaitOptions = {},
): Promise<T | U> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      try {
        resolve(onTimeout());
      } catch (error) {
        reject(error);
      }
    }, timeoutMs);
    if (!ref) timer.unref();
    promise.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}

export interface PollOptions extends WaitOptions {
  /** The pause between two looks; a function is asked anew each time. */
  everyMs: number | (() => number);
  timeoutMs: number;
  /** Ends the wait early, as the deadline does. */
  signal?: AbortSignal | undefined;
}

/**
 * Looks until it sees something: at once, after each pause, and a last time at the deadline.
 * @returns the first value that is not falsy; after the deadline, what the last look saw
 */
export async function pollUntil<T>(
  look: () => T | Promise<T>,
  { everyMs, timeoutMs, signal, ref = true }: PollOptions,
): Promise<T> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    const leftMs = deadlineMs - performance.now();
    if (seen || leftMs <= 0 || signal?.aborted) return seen;
    const pauseMs = typeof everyMs === 'function' ? everyMs() : everyMs;
    await sleep(Math.min(pauseMs, Math.ceil(leftMs)), undefined, { ref, ...(signal ? { signal } : {}) }).catch(
      () => {},
    );
  }
}
