// Nothing of ours may throw into the app, because an exception in a diagnostics_channel subscriber or an event listener ends it.

import { channel } from 'node:diagnostics_channel';

/** The same function, but it never throws: the app goes on as if we were not there. */
export function guarded<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
  return (...args) => {
    try {
      fn(...args);
    } catch {
      // A failure of ours must not become one of the app.
    }
  };
}

/** Runs `fn`. If it throws, returns `otherwise`. */
export function attempt<T>(fn: () => T, otherwise: T): T {
  try {
    return fn();
  } catch {
    return otherwise;
  }
}

/** Subscribes a guarded listener to a diagnostics channel. Returns the undo. */
export function subscribe<M>(name: string, listener: (message: M) => void): () => void {
  const safe = guarded((message: unknown) => listener(message as M));
  const target = channel(name);
  target.subscribe(safe);
  return () => {
    target.unsubscribe(safe);
  };
}

/** A listener for `error` events of sockets that we end: the app may still write to them, and the error must not end it. */
export function ignoreErrors(): void {}
