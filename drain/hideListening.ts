// When a server listens again, Node emits `listening` or `error`. The app must not get that event: for it, the server never stopped.

import { attempt } from '../shared/guard.ts';
import type { ServerInternals } from './nodeInternals.ts';

/** Keeps the one `listening` or `error` event that listening again causes from the app's listeners. Listeners that Node itself
 * adds for this call get it. */
export function hideListening(server: ServerInternals): { outcome: Promise<Error | undefined>; restore(): void } {
  const before = new Set<unknown>(server.rawListeners('listening'));
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit = server.emit;
  let settle: (failure: Error | undefined) => void = () => {};
  const outcome = new Promise<Error | undefined>((resolve) => {
    settle = resolve;
  });
  const intercepted = function (this: ServerInternals, event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'listening') {
      for (const listener of server.rawListeners('listening'))
        if (!before.has(listener)) attempt(() => Reflect.apply(listener, server, args), undefined);
      settle(undefined);
      return true;
    }
    if (event === 'error') {
      settle(args[0] as Error);
      return true;
    }
    if (event === 'close') settle(undefined);
    return Reflect.apply(emit, this, [event, ...args]) as boolean;
  };
  Object.defineProperty(server, 'emit', { value: intercepted, configurable: true, writable: true });
  return {
    outcome,
    restore() {
      for (const listener of server.rawListeners('listening'))
        if (!before.has(listener)) server.removeListener('listening', listener as () => void);
      if (server.emit !== (intercepted as unknown)) return; // Wrapped since: ours now only passes on.
      if (own === undefined) delete (server as unknown as { emit?: unknown }).emit;
      else Object.defineProperty(server, 'emit', own);
    },
  };
}
