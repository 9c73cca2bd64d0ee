// Nothing waits without a deadline, and what is late is told to stop.

import { PlainError } from './text.ts';

/** What was waited for took too long. */
export class LateError extends PlainError {}

/**
 * Runs `work` and waits for it until `ms` milliseconds have passed or `outer` aborts; its own signal aborts then. What it
 * does after that is nobody's concern any more.
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
