// Which requests a connection takes along when it is destroyed: of pipelined ones only the first and the last can be found
// from outside. Node has them in a closure, and tells each of them that it is aborted when the connection has closed.

import http from 'node:http';
import { attempt, guarded } from '../shared/guard.ts';
import type { HttpSocket } from './nodeInternals.ts';

/** Calls back for every request that had no answer when the connection closes (lib/_http_server.js, abortIncoming). */
export function onUnanswered(socket: HttpSocket, listener: (request: http.IncomingMessage) => void): void {
  let stop = () => {};
  socket.prependOnceListener(
    'close',
    guarded(() => {
      stop = watchAborts(socket, listener);
      // Also where a listener of the app throws.
      process.nextTick(stop);
    }),
  );
  socket.once(
    'close',
    guarded(() => stop()),
  );
}

/** From now on, until the returned function is called, which is within the same turn. */
function watchAborts(socket: HttpSocket, listener: (request: http.IncomingMessage) => void): () => void {
  const { prototype } = http.IncomingMessage;
  const own = Object.getOwnPropertyDescriptor(prototype, 'destroy');
  const original = prototype.destroy;
  const watched = function destroy(this: http.IncomingMessage, ...args: unknown[]) {
    const error = args[0] as NodeJS.ErrnoException | undefined;
    // Not what an app's own listener destroys.
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
