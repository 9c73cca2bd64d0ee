// Finds the requests that are lost with a destroyed connection. Of pipelined ones only the first and the last can be found from
// outside: Node keeps them in a closure, and aborts each of them when the connection has closed.

import http from 'node:http';
import { attempt, guarded } from '../shared/guard.ts';
import type { HttpSocket } from './nodeInternals.ts';

/** Calls back for every request without an answer when the connection closes (lib/_http_server.js, abortIncoming). */
export function onUnanswered(socket: HttpSocket, listener: (request: http.IncomingMessage) => void): void {
  let stop = () => {};
  socket.prependOnceListener(
    'close',
    guarded(() => {
      stop = watchAborts(socket, listener);
      // On the next tick, so that it also runs if a listener of the app throws.
      process.nextTick(stop);
    }),
  );
  socket.once(
    'close',
    guarded(() => stop()),
  );
}

/** Watches from now on until the returned function is called, which happens within the same turn. */
function watchAborts(socket: HttpSocket, listener: (request: http.IncomingMessage) => void): () => void {
  const { prototype } = http.IncomingMessage;
  const own = Object.getOwnPropertyDescriptor(prototype, 'destroy');
  const original = prototype.destroy;
  const watched = function destroy(this: http.IncomingMessage, ...args: unknown[]) {
    const error = args[0] as NodeJS.ErrnoException | undefined;
    // Only Node's own abort counts, and not a `destroy` by a listener of the app.
    if (this.socket === socket && error?.code === 'ECONNRESET' && error.message === 'aborted')
      attempt(() => listener(this), undefined);
    return Reflect.apply(original, this, args);
  } as typeof original;
  Object.defineProperty(prototype, 'destroy', { value: watched, configurable: true, writable: true });
  return () => {
    if (prototype.destroy !== watched) return;
    if (own === undefined) delete (prototype as { destroy?: unknown }).destroy;
    else Object.defineProperty(prototype, 'destroy', own);
  };
}
