// Counts the requests, streams and connections that are cut off when the budget ends.

import type { ServerHttp2Session } from 'node:http2';
import { type Connection, hasHalfRequest, isOpaque } from './connections.ts';
import { cutSession, isEnding } from './endConnections.ts';
import type { Http2Streams } from './http2Streams.ts';
import { type HttpSocket, type ResponseInternals, streamsOf, websocketOf } from './nodeInternals.ts';
import { halfRequestLine, opaqueLine, requestLine, type Tally } from './tally.ts';
import { onUnanswered } from './unanswered.ts';

/** Counts into `tally` what is lost with a connection. */
export class CutCount {
  readonly #tally: Tally;
  readonly #streams: Http2Streams;
  readonly #endedStreams: WeakSet<object>;
  /** HTTP/1 connections whose requests are cut, with the response to the first one. */
  readonly #cutting = new Map<HttpSocket, { response: ResponseInternals | undefined; counted: boolean }>();
  #over = false;

  /** @param endedStreams event streams that the drain has ended politely, and for HTTP/1 also their connections */
  constructor(tally: Tally, streams: Http2Streams, endedStreams: WeakSet<object>) {
    this.#tally = tally;
    this.#streams = streams;
    this.#endedStreams = endedStreams;
  }

  /** Counts what is unfinished on a connection that is about to be destroyed. */
  count(connection: Connection): void {
    const { socket, activity } = connection;
    if (activity.is === 'http2') {
      this.#countSession(socket, activity.session);
    } else if (isEnding(socket)) {
      // It was ended politely, but its client has not received everything.
      const unsent = activity.is === 'websocket' ? unsentOf(socket) : socket.writableLength;
      if (unsent > 0) for (const it of [socket, socket._httpMessage]) if (it) this.#tally.cutIfClosed(it);
    } else if (isOpaque(activity)) {
      this.#tally.cutOpaque(socket, opaqueLine(connection));
    } else if (activity.is === 'busy') {
      const { response } = activity;
      if (response !== undefined && this.#endedStreams.has(response)) this.#tally.cutIfClosed(response);
      else this.countRequests(socket, response);
    } else if (hasHalfRequest(connection)) {
      this.#tally.cut(socket, halfRequestLine(socket));
    } else if (socket.writableLength > 0) {
      this.#tally.cut(socket);
    } else if (!this.#endedStreams.has(socket)) {
      this.#tally.close(socket);
    }
  }

  /** Counts the requests that have no answer when this HTTP/1 connection closes: the current one, and those pipelined behind it. */
  countRequests(socket: HttpSocket, response: ResponseInternals | undefined): void {
    if (this.#cutting.has(socket)) return;
    const entry = { response, counted: false };
    this.#cutting.set(socket, entry);
    onUnanswered(socket, (request) => {
      if (this.#over) return;
      entry.counted = true;
      this.#tally.cut(request, requestLine(request));
    });
  }

  /** Ends the count. A connection that has not closed by now counts as one lost request. */
  finish(): void {
    for (const { response, counted } of this.#cutting.values())
      if (!counted && response !== undefined) this.#tally.cut(response.req, requestLine(response.req));
    this.#cutting.clear();
    this.#over = true;
  }

  #countSession(socket: HttpSocket, session: ServerHttp2Session): void {
    for (const stream of streamsOf(session)) {
      this.#tally.notClosed(socket);
      this.#tally.cut(stream, requestLine(this.#streams.requestOf(stream)));
    }
    cutSession(session);
  }
}

/** The bytes that were sent on a WebSocket and are still in this process. */
function unsentOf(socket: HttpSocket): number {
  return websocketOf(socket)?.bufferedAmount ?? socket.writableLength;
}
