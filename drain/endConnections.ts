// Ends each kind of connection so that its client sees an end and not a reset.

import type { ServerHttp2Session } from 'node:http2';
import { guarded, ignoreErrors } from '../shared/guard.ts';
import { newestRequest } from './connections.ts';
import { type HttpSocket, streamsOf, type WebSocketInternals } from './nodeInternals.ts';

/** How long a client may take to end its side after ours. */
export const LINGER_MS = 1_000;
/** How long to wait for an idle HTTP/2 client's next request before it gets its GOAWAY: long for a busy client, short for a
 * drain. */
export const GOAWAY_PATIENCE_MS = 250;
/** WebSocket close code "service restart": clients connect again, to another process. */
const SERVICE_RESTART = 1012;
/** In a GOAWAY it asks for no new streams, and promises to serve those that are on their way (RFC 9113, 6.8). */
const EVERY_STREAM = 2 ** 31 - 1;
const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n';

const ending = new WeakSet<object>();

/** Has the drain begun to end this connection or session? */
export function isEnding(it: object): boolean {
  return ending.has(it);
}

/** Ends our side first and reads on until the client has ended its own, for `LINGER_MS` at most.
 * @param onInput gets what arrives too late */
export function endPolitely(socket: HttpSocket, lastWords?: string, onInput?: (data: Buffer) => void): void {
  if (ending.has(socket) || socket.destroyed) return;
  ending.add(socket);
  socket.on('error', ignoreErrors);
  if (lastWords === undefined) socket.end();
  else socket.end(lastWords);
  const request = newestRequest(socket);
  // The app gets the rest of a body that it still reads; anything after that comes too late for an answer.
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

/** Ends a connection like `endPolitely` after its last response. Node would close it at once, and a client that is still sending
 * would see a reset and might never read that response. */
export function endPolitelyAfterLastResponse(socket: HttpSocket): void {
  if (Object.hasOwn(socket, 'destroySoon')) return;
  const original = socket.destroySoon;
  socket.destroySoon = function destroySoon(this: HttpSocket) {
    try {
      const request = newestRequest(this);
      // The app has answered before it had the whole body: do not interrupt a client that is still sending it.
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

/** Answers a request with a 503, in the app's place, if the app will not answer it in time. */
export function answerUnavailable(socket: HttpSocket): void {
  endPolitely(socket, UNAVAILABLE);
}

/** Closes a WebSocket through the library's own object. Only that knows what is queued and where a frame ends, so we never write
 * a close frame ourselves. */
export function closeWebSocket(socket: HttpSocket, websocket: WebSocketInternals): void {
  if (ending.has(socket)) return;
  ending.add(socket);
  websocket.close(SERVICE_RESTART);
}

/** Sends a GOAWAY while the client waits for an answer: with the next stream of an idle session, after `patienceMs` at the
 * latest. A client that is about to send when it gets a GOAWAY may lose that request (Node's client does: the request stays
 * unsent and fails when the session ends). Returns whether this is the first call for the session. */
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

/** Asks an HTTP/2 client for no more streams. Once everything has arrived that it sent before, ends the session after its open
 * streams. */
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

/** Cuts a session off, with its open streams. */
export function cutSession(session: ServerHttp2Session): void {
  for (const stream of streamsOf(session)) stream.on('error', ignoreErrors);
  session.on('error', ignoreErrors);
  session.destroy();
}

/** Keeps what arrives after our end from the app, which could not answer it. */
function discardInput(socket: HttpSocket, onInput: (data: Buffer) => void = () => {}): void {
  if (socket.destroyed) return;
  const readers = socket.listeners('data');
  // Adding a listener makes Node take the socket back from its HTTP parser (lib/_http_server.js, unconsume).
  socket.on('data', guarded(onInput));
  for (const reader of readers) socket.removeListener('data', reader as () => void);
  socket.resume();
}
