// Nothing waits without a deadline, and work that is late is told to stop.

import { PlainError } from './text.ts';

/** The work took too long. */
export class LateError extends PlainError {}

/**
 * Runs `work` and waits for it until `ms` milliseconds have passed or `outer` aborts; the work's own signal aborts then. What the
 * work does after that is ignored.
 * @throws {LateError} "… did not finish within 2000 ms"; the reason of `outer`; or what `work` throws
 */
export async function within<T>(
  ms: number,
  what: string,
  work: (signal: AbortSignal) => T | Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const inner = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const given = new Promise<never>((_resolve, reject) => {
    const giveUp = (reason: unknown) => {
      reject(reason);
      inner.abort(reason);
    };
    timer = setTimeout(() => giveUp(new LateError(`${what} did not finish within ${Math.round(ms)} ms`)), ms);
    onAbort = () => giveUp(outer?.reason);
    if (outer?.aborted) onAbort();
    else outer?.addEventListener('abort', onAbort, { once: true });
  });
  given.catch(() => {});
  try {
    outer?.throwIfAborted();
    return await Promise.race([Promise.resolve(work(inner.signal)), given]);
  } finally {
    clearTimeout(timer);
    outer?.removeEventListener('abort', onAbort);
  }
}

/** Runs `work`, and waits for it no longer than until the signal aborts. Rejects with the signal's reason then. */
export async function unlessAborted<T>(signal: AbortSignal, work: () => T | Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let onAbort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([Promise.resolve(work()), aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
