// How each kind of connection is told that it is over, so that its client sees an end and not a reset.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { newestRequest } from './connections.ts';
import { guarded, ignoreErrors } from './guard.ts';
import { type HttpSocket, type ResponseInternals, streamsOf } from './internals.ts';

/** How long a client may take to end its side after ours, in milliseconds. */
export const LINGER_MS = 1_000;
/** How long an idle HTTP/2 client may take to send a request before it is told, in milliseconds: long for one that is
 * busy, short for a drain. */
export const GOAWAY_PATIENCE_MS = 250;
/** WebSocket close code "service restart": clients connect again, to somebody else. */
const SERVICE_RESTART = 1012;
/** A server's close frame with that code: unmasked, final, two bytes long. */
const CLOSE_FRAME = Buffer.from([0x88, 0x02, SERVICE_RESTART >> 8, SERVICE_RESTART & 0xff]);
/** In a GOAWAY it means: no new streams please, but all that are on their way will be served (RFC 9113, 6.8). */
const EVERY_STREAM = 2 ** 31 - 1;
const UNAVAILABLE =
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n';

const leaving = new WeakSet<object>();

/** Has this connection or session been told already? */
export function isLeaving(it: object): boolean {
  return leaving.has(it);
}

/** Ends our side first and reads on until the client has ended its own, for `LINGER_MS` at most. */
export function endPolitely(socket: HttpSocket, lastWords?: string | Buffer): void {
  if (leaving.has(socket) || socket.destroyed) return;
  leaving.add(socket);
  socket.on('error', ignoreErrors);
  if (lastWords === undefined) socket.end();
  else socket.end(lastWords);
  const request = newestRequest(socket);
  // A body that is still being read by the app is left to it; anything after it comes too late to be answered.
  if (request === undefined || request.complete) discardInput(socket);
  else
    request.once(
      'close',
      guarded(() => discardInput(socket)),
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
      // The app answered before it had the whole body: whoever is still sending it is not interrupted.
      if (request === undefined || request.complete) endPolitely(this);
      else
        request.once(
          'close',
          guarded(() => endPolitely(this)),
        );
    } catch {
      original.call(this);
    }
  };
}

/** Ends a response that would go on for ever, as the app itself would: its client may send its next request on the same
 * connection at once, and that is answered. The app may go on writing: that goes nowhere and hurts nobody. */
export function endEventStream(socket: HttpSocket, response: ResponseInternals): void {
  if (response._last) endPolitelyAfterLastResponse(socket);
  response.on('error', ignoreErrors);
  response.end();
  response.write = swallow as typeof response.write;
  response.end = swallow as typeof response.end;
}

/** Stands in for the `write` and `end` of a response that is over. */
function swallow(this: ResponseInternals, ...args: unknown[]): unknown {
  const callback = args.find((arg) => typeof arg === 'function');
  if (callback !== undefined) process.nextTick(callback as () => void);
  return this;
}

/** Answers in the app's place a request that will not be answered in time. */
export function answerUnavailable(socket: HttpSocket): void {
  endPolitely(socket, UNAVAILABLE);
}

/** Closes a WebSocket of the `ws` library through its own object, which knows what is still queued. */
export function closeWebSocket(socket: HttpSocket, close: (code: number) => void): void {
  if (leaving.has(socket)) return;
  leaving.add(socket);
  close(SERVICE_RESTART);
}

/** Says goodbye in WebSocket's own bytes where another library speaks it. The client answers and ends; who does not is
 * ended by the second call. */
export function closeUpgraded(socket: HttpSocket): void {
  if (greeted.has(socket)) return;
  greeted.add(socket);
  socket.on('error', ignoreErrors);
  if (socket.writable) socket.write(CLOSE_FRAME);
}
const greeted = new WeakSet<object>();

/** Says GOAWAY while the client waits for an answer: with the next stream of a session that has none, at the latest after
 * `patienceMs`. A client that is just about to send when it hears it loses that request inside itself (Node's does: it
 * stays unsent and fails when the session ends). Returns whether this is the first time. */
export function sayGoawayWhileAnswering(session: ServerHttp2Session, patienceMs: number): boolean {
  if (expecting.has(session) || leaving.has(session)) return false;
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

/** Asks an HTTP/2 client for no more streams, then, when whatever it had sent before it knew has arrived, ends the
 * session after the streams that are open. */
export function sayGoaway(session: ServerHttp2Session): void {
  if (leaving.has(session) || session.destroyed) return;
  leaving.add(session);
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

/** Ends the event streams of an HTTP/2 session; returns how many there were. */
export function endEventStreams(session: ServerHttp2Session): number {
  let ended = 0;
  for (const stream of streamsOf(session)) {
    if (!isEventStream(stream.sentHeaders?.['content-type']) || stream.writableEnded) continue;
    stream.on('error', ignoreErrors);
    stream.end();
    ended++;
  }
  return ended;
}

/** Is this response one that ends only when somebody leaves? */
export function streamsEvents(response: ResponseInternals): boolean {
  const rendered = /\r\ncontent-type:([^\r\n]*)/i.exec(response._header ?? '')?.[1];
  return isEventStream(rendered?.trim());
}

/** Cuts a session off. Returns the number of streams that were open. */
export function cutSession(session: ServerHttp2Session): number {
  const open: ServerHttp2Stream[] = streamsOf(session);
  for (const stream of open) stream.on('error', ignoreErrors);
  session.on('error', ignoreErrors);
  session.destroy();
  return open.length;
}

function isEventStream(contentType: unknown): boolean {
  return typeof contentType === 'string' && contentType.toLowerCase().startsWith('text/event-stream');
}

/** Requests that arrive after our end are not handed to the app, which could not answer them. */
function discardInput(socket: HttpSocket): void {
  if (socket.destroyed) return;
  const readers = socket.listeners('data');
  // Adding a listener makes Node take the socket back from its HTTP parser (lib/_http_server.js, unconsume).
  socket.on('data', () => {});
  for (const reader of readers) socket.removeListener('data', reader as () => void);
  socket.resume();
}
