// How each kind of connection is ended, so that its client sees an end and not a reset.

import type { ServerHttp2Session } from 'node:http2';
import { guarded, ignoreErrors } from '../shared/guard.ts';
import { newestRequest } from './connections.ts';
import { type HttpSocket, streamsOf, type WebSocketInternals } from './nodeInternals.ts';

/** How long a client may take to end its side after ours. */
export const LINGER_MS = 1_000;
/** How long an idle HTTP/2 client may take to send a request before it gets its GOAWAY: long for a client that is busy, short
 * for a drain. */
export const GOAWAY_PATIENCE_MS = 250;
/** WebSocket close code "service restart": clients connect again, to another process. */
const SERVICE_RESTART = 1012;
/** In a GOAWAY it means: no new streams please, but all that are on their way will be served (RFC 9113, 6.8). */
const EVERY_STREAM = 2 ** 31 - 1;
const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n';

const ending = new WeakSet<object>();

/** Is this connection or session being ended already? */
export function isEnding(it: object): boolean {
  return ending.has(it);
}

/** Ends our side first and reads on until the client has ended its own, for `LINGER_MS` at most.
 * @param onInput hears what comes too late */
export function endPolitely(socket: HttpSocket, lastWords?: string, onInput?: (data: Buffer) => void): void {
  if (ending.has(socket) || socket.destroyed) return;
  ending.add(socket);
  socket.on('error', ignoreErrors);
  if (lastWords === undefined) socket.end();
  else socket.end(lastWords);
  const request = newestRequest(socket);
  // A body that is still being read by the app is left to it; anything after it comes too late to be answered.
  if (request === undefined || request.complete) discardInput(socket, onInput);
  else
    request.once(
      'close',
      guarded(() => discardInput(socket, onInput)),
    );
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
}

/** Ends a connection like `endPolitely` where Node would close it as soon as its last response is written: a client that
 * is still sending would see a reset and might never read that response. */
export function endPolitelyAfterLastResponse(socket: HttpSocket): void {
  if (Object.hasOwn(socket, 'destroySoon')) return;
  const original = socket.destroySoon;
  socket.destroySoon = function destroySoon(this: HttpSocket) {
    try {
      const request = newestRequest(this);
      // The app answered before it had the whole body: a client that is still sending it is not interrupted.
      if (request === undefined || request.complete) endPolitely(this);
      else
        request.once(
          'close',
          guarded(() => endPolitely(this)),
        );
    } catch {
      Reflect.apply(original, this, []);
    }
  };
}

/** Answers in the app's place a request that will not be answered in time. */
export function answerUnavailable(socket: HttpSocket): void {
  endPolitely(socket, UNAVAILABLE);
}

/** Closes a WebSocket through the object of the library that ends it here: that object alone knows what
 * is queued and where a frame ends, so no close frame of ours is ever written. */
export function closeWebSocket(socket: HttpSocket, websocket: WebSocketInternals): void {
  if (ending.has(socket)) return;
  ending.add(socket);
  websocket.close(SERVICE_RESTART);
}

/** Says GOAWAY while the client waits for an answer: with the next stream of a session that has none, at the latest after
 * `patienceMs`. A client that is just about to send when it hears it loses that request inside itself (Node's does: it
 * stays unsent and fails when the session ends). Returns whether this is the first time. */
export function sayGoawayWhileAnswering(session: ServerHttp2Session, patienceMs: number): boolean {
  if (expecting.has(session) || ending.has(session)) return false;
  expecting.add(session);
  if (streamsOf(session).length > 0) {
    sayGoaway(session);
    return true;
  }
  const say = guarded(() => {
    clearTimeout(timer);
    session.off('stream', say);
    sayGoaway(session);
  });
  const timer = setTimeout(say, patienceMs);
  timer.unref();
  session.once('stream', say);
  session.once('close', () => clearTimeout(timer));
  return true;
}
const expecting = new WeakSet<object>();

/** Asks an HTTP/2 client for no more streams, then, when all has arrived that it sent before it knew, ends the session
 * after the streams that are open. */
export function sayGoaway(session: ServerHttp2Session): void {
  if (ending.has(session) || session.destroyed) return;
  ending.add(session);
  session.on('error', ignoreErrors);
  const close = guarded(() => {
    if (!session.closed && !session.destroyed) session.close();
  });
  session.goaway(0, EVERY_STREAM);
  const timer = setTimeout(close, LINGER_MS);
  timer.unref();
  session.once('close', () => clearTimeout(timer));
  if (!session.ping(close)) close();
}

/** Cuts a session off, with the streams that are open. */
export function cutSession(session: ServerHttp2Session): void {
  for (const stream of streamsOf(session)) stream.on('error', ignoreErrors);
  session.on('error', ignoreErrors);
  session.destroy();
}

/** What arrives after our end is not handed to the app, which could not answer it. */
function discardInput(socket: HttpSocket, onInput: (data: Buffer) => void = () => {}): void {
  if (socket.destroyed) return;
  const readers = socket.listeners('data');
  // Adding a listener makes Node take the socket back from its HTTP parser (lib/_http_server.js, unconsume).
  socket.on('data', guarded(onInput));
  for (const reader of readers) socket.removeListener('data', reader as () => void);
  socket.resume();
}
