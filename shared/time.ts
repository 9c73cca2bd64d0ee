// Waits with a deadline, for a promise or for a state. For the module's process and the command, whose timers are Node's own.

import { setTimeout as sleep } from 'node:timers/promises';

export interface WaitOptions {
  /** Does the wait alone keep the process alive? Default true. */
  ref?: boolean;
}

/**
 * Resolves like a promise, or to what `onTimeout` returns if the promise does not settle in time. The promise itself goes on; a
 * late rejection does not count as unhandled. The timer ends with the wait.
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
  /** The pause between two looks; a function is called before each pause. */
  everyMs: number | (() => number);
  timeoutMs: number;
  /** Ends the wait early, as the deadline does. */
  signal?: AbortSignal | undefined;
}

/**
 * Calls `look` until it returns something truthy: at once, after each pause, and a last time at the deadline.
 * @returns the first truthy value; after the deadline, what the last look returned
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
