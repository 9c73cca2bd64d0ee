// Finds the event streams that may be ended early: those of an EventSource, which connects again by itself. Any other stream (a
// language model's answer to a POST, one that `fetch` reads) is a response in flight, whatever its type.

import type { ServerHttp2Stream } from 'node:http2';
import { ignoreErrors } from '../shared/guard.ts';
import { endPolitelyAfterLastResponse } from './endConnections.ts';
import type { HttpSocket, RequestInternals, ResponseInternals } from './nodeInternals.ts';

/** Is this the response to an EventSource, its header sent? */
export function answersEventSource(response: ResponseInternals): boolean {
  if (response._header === null) return false;
  const contentType = /\r\ncontent-type:([^\r\n]*)/i.exec(response._header)?.[1];
  return isForEventSource(response.req, response.statusCode, contentType);
}

/** The same for an HTTP/2 stream. An unknown request does not count as one of an EventSource. */
export function streamsToEventSource(stream: ServerHttp2Stream, request: RequestInternals | undefined): boolean {
  const { ':status': status, 'content-type': contentType } = stream.sentHeaders ?? {};
  return request !== undefined && isForEventSource(request, Number(status), contentType);
}

/** Is it an EventSource's request (HTML standard, 9.2.3), a GET that accepts nothing else, and was it answered as one? */
export function isForEventSource({ method, headers }: RequestInternals, status: number, contentType: unknown): boolean {
  return method === 'GET' && isEventStream(headers?.accept) && status === 200 && isEventStream(contentType);
}

/** Ends a response that would go on for ever, as the app itself would. The client's next request may come at once on the same
 * connection, and is answered. What the app writes from now on is ignored. */
export function endEventStream(socket: HttpSocket, response: ResponseInternals): void {
  if (response._last) endPolitelyAfterLastResponse(socket);
  response.on('error', ignoreErrors);
  response.end();
  swallowWrites(response);
}

/** The same for an HTTP/2 stream. */
export function endEventStreamOfHttp2(stream: ServerHttp2Stream): void {
  stream.on('error', ignoreErrors);
  stream.end();
  swallowWrites(stream);
}

function swallowWrites(it: { write: unknown; end: unknown }): void {
  it.write = swallow;
  it.end = swallow;
}

/** Replaces the `write` and `end` of a response that is over. */
function swallow(this: unknown, ...args: unknown[]): unknown {
  const callback = args.find((arg) => typeof arg === 'function');
  if (callback !== undefined) process.nextTick(callback as () => void);
  return this;
}

function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && /^\s*text\/event-stream\s*(;[^,]*)?$/i.test(type);
}
