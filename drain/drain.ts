// The drain itself, from the moment the servers have stopped listening: finish what is in flight, tell the rest
// goodbye, and be gone the moment nothing is left or the budget is.

import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { attempt, guarded, ignoreErrors, subscribe } from '../shared/guard.ts';
import { type Connection, hasHalfRequest, isOpaque } from './connections.ts';
import { answersEventSource, endEventStream, endEventStreamOfHttp2, streamsToEventSource } from './eventStreams.ts';
import {
  answerUnavailable,
  closeWebSocket,
  cutSession,
  endPolitely,
  GOAWAY_PATIENCE_MS,
  isLeaving,
  sayGoawayWhileAnswering,
} from './farewell.ts';
import {
  type HttpSocket,
  type RequestInternals,
  type ResponseInternals,
  requestOf,
  type ServerInternals,
  streamsOf,
  websocketOf,
} from './internals.ts';
import { halfRequestLine, NAMED_REQUESTS, opaqueLine, requestLine, Tally, unfinishedOn } from './tally.ts';
import { onUnanswered } from './unanswered.ts';

/** What a drain did, as its clients saw it: each request, stream and connection is counted once. */
export interface DrainResult {
  /** Responses completed while it ran, and tunnels and raw connections that ended by themselves. */
  finished: number;
  /** What was ended politely: idle connections, HTTP/2 sessions, WebSockets of ws, streams of an EventSource. */
  closed: number;
  /** What was cut off when the budget ended: requests, tunnels, raw connections. */
  cut: number;
  /** The first of those that can be told. */
  cutRequests?: RequestLine[];
  /** Of `cut`: tunnels and raw connections. Nobody but their two ends knows whether they were done. */
  cutOpaque?: number;
  /** Connections that are still open, with `unfinished: 'leave'`. */
  left?: number;
  /** The first requests on them that can be told. */
  leftRequests?: RequestLine[];
}

/** A request as an operator recognises it; its query may hold secrets and is left out. Of a tunnel or a raw connection: what
 * it is and where it comes from. */
export interface RequestLine {
  method: string;
  path: string;
}

export interface DrainOptions {
  /** The drain is over after this many milliseconds, whatever is left. */
  budgetMs: number;
  /** How long an idle connection may take to send its next request, in milliseconds. Default: see `defaultGraceMs`. */
  graceMs?: number;
  /** The process leaves afterwards: nothing makes it listen again. */
  last?: boolean;
  /**
   * What becomes of what is not finished when the budget ends. `leave`, for a process that will serve on: it stays open, and
   * nothing is ever cut. Then an idle connection is ended only when its client has no reason to use it any more (the
   * server's `keepAliveTimeout` is over), and the streams of an EventSource, which comes back by itself, are ended at once.
   */
  unfinished?: 'cut' | 'leave';
  /** Addresses at which it goes on to listen: their clients wait, because nobody else would have them. */
  except?: readonly string[];
}

/** A client that knows Node's default `keepAliveTimeout` of 5 s has given its connection up after that, and Node itself
 * closes it 1 s later. */
const LONGEST_GRACE_MS = 6_000;
/** How long after its `keepAliveTimeout` Node closes a connection at the latest, in milliseconds (lib/_http_server.js). */
const KEEP_ALIVE_BUFFER_MS = 1_000;
/** How long a client whose event stream we ended may take to ask again on its connection, in milliseconds. */
const AFTER_STREAM_MS = 1_000;
/** How often we look, in milliseconds; less often where looking takes long. */
const LOOK_EVERY_MS = 15;
const LOOK_SHARE = 10;
/** How long connections that were destroyed may take to be closed, so that what was on them can be counted, in
 * milliseconds. */
const CLOSED_WITHIN_MS = 50;

/** Idle connections get all the time that the budget allows, up to 6 s: after that nobody has reason to use them. */
export function defaultGraceMs(budgetMs: number): number {
  return Math.min(LONGEST_GRACE_MS, budgetMs - lastPartMs(budgetMs));
}

/** The budget's last part, in milliseconds: 10 %, between 50 ms and 1 s. Streams of an EventSource end here. */
export function lastPartMs(budgetMs: number): number {
  return Math.min(budgetMs, 1_000, Math.max(50, budgetMs / 10));
}

/** The last part's second half, in milliseconds: until then a connection whose response has just ended may be used once more
 * by a client that had no chance to hear that it goes. */
function secondHalfMs(budgetMs: number): number {
  return lastPartMs(budgetMs) / 2;
}

/** The very last part, in milliseconds, in which what is still unanswered is told so instead of being cut silently. */
function lastWordMs(budgetMs: number): number {
  return Math.min(50, budgetMs / 20);
}

/** One drain. Starts looking with `run`. */
export class Drain {
  readonly #look: () => Connection[];
  readonly #owns: (server: ServerInternals) => boolean;
  readonly #startedAt: number;
  #budgetMs: number;
  #graceMs: number;
  #leave: boolean;
  readonly #tally = new Tally();
  #left: Pick<DrainResult, 'left' | 'leftRequests'> = {};
  /** Idle connections: since when, in milliseconds. */
  #idleSince = new Map<HttpSocket, number>();
  /** Requests of HTTP/2 streams that began since. */
  readonly #requests = new WeakMap<object, RequestInternals>();
  readonly #watched = new WeakSet<object>();
  /** Connections of the last look that are still open, and what they were; the last of them that closes ends the drain. */
  readonly #open = new Map<HttpSocket, Connection>();
  /** Event streams that we ended, and the connections of those of HTTP/1. */
  readonly #endedStreams = new WeakSet<object>();
  /** Responses whose header has not been sent, and how many bytes had been by then. */
  readonly #unanswered = new WeakMap<ResponseInternals, number>();
  /** HTTP/1 connections with requests that were cut, and what is known of the first of these. */
  readonly #cutting = new Map<HttpSocket, { response: ResponseInternals | undefined; counted: boolean }>();
  #budgetIsOver = false;
  #waitsForCloses = false;
  readonly #undo: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #resolve: (result: DrainResult) => void = () => {};
  readonly done: Promise<DrainResult>;

  constructor(
    look: () => Connection[],
    owns: (server: ServerInternals) => boolean,
    { budgetMs, graceMs, unfinished = 'cut' }: DrainOptions,
  ) {
    this.#look = look;
    this.#owns = owns;
    this.#startedAt = now();
    this.#budgetMs = budgetMs;
    this.#leave = unfinished === 'leave';
    this.#graceMs = Math.min(graceMs ?? defaultGraceMs(budgetMs), budgetMs - lastPartMs(budgetMs));
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#undo.push(
      subscribe<{ server: ServerInternals; response: object }>(
        'http.server.response.finish',
        ({ server, response }) => {
          if (this.#owns(server)) this.#tally.finish(response);
        },
      ),
    );
  }

  /** Milliseconds until the budget is used up. */
  get leftMs(): number {
    return this.#startedAt + this.#budgetMs - now();
  }

  get over(): boolean {
    return this.#over;
  }

  /** A second caller with less time: the earlier end wins, and so does whoever does not serve on. */
  shorten({ budgetMs, unfinished = 'cut' }: DrainOptions): void {
    if (unfinished === 'cut') this.#leave = false;
    const endsInMs = Math.min(this.leftMs, budgetMs);
    this.#budgetMs = now() + endsInMs - this.#startedAt;
    this.#graceMs = Math.min(this.#graceMs, this.#budgetMs - lastPartMs(this.#budgetMs));
  }

  /** Looks again and again until nothing is left or the budget is used up. */
  run(): void {
    if (this.#over) return;
    if (this.#budgetIsOver) {
      this.stop();
      return;
    }
    const started = now();
    const left = attempt(() => this.#step(this.#look()), 1);
    const waited = this.#waitsForCloses;
    this.#waitsForCloses = left === 0 && this.#open.size > 0;
    if (this.#waitsForCloses && !waited) {
      // The last ones are being closed: how they ended is not known before they are.
      this.#lookAgainIn(CLOSED_WITHIN_MS);
      return;
    }
    if (left === 0 || (this.leftMs <= 0 && this.#leave)) {
      if (left > 0) attempt(() => this.#noteLeft(), undefined);
      this.stop();
      return;
    }
    if (this.leftMs <= 0) {
      this.#budgetIsOver = true;
      attempt(() => this.#cutOff(), undefined);
      this.#lookAgainIn(CLOSED_WITHIN_MS);
      return;
    }
    const pauseMs = Math.max(LOOK_EVERY_MS, (now() - started) * LOOK_SHARE);
    this.#lookAgainIn(Math.min(pauseMs, this.leftMs));
  }

  #lookAgainIn(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      guarded(() => this.run()),
      Math.max(1, ms),
    );
    this.#timer.unref();
  }

  /** Ends the drain with what it has done so far. */
  stop(): void {
    if (this.#over) return;
    this.#countUnclosed();
    this.#over = true;
    clearTimeout(this.#timer);
    for (const undo of this.#undo.splice(0)) attempt(undo, undefined);
    this.#idleSince.clear();
    this.#open.clear();
    this.#resolve({ ...this.#tally.result(), ...this.#left });
  }

  /** Does for every connection what is due; returns how many are left. */
  #step(connections: Connection[]): number {
    const idleSince = this.#idleSince;
    this.#idleSince = new Map();
    for (const connection of connections)
      attempt(() => {
        this.#awaitEnd(connection);
        this.#advance(connection, idleSince);
      }, undefined);
    return connections.length;
  }

  /** The drain does not last until the next look when nothing is left before. */
  #awaitEnd(connection: Connection): void {
    const { socket } = connection;
    const isNew = !this.#open.has(socket);
    this.#open.set(socket, connection);
    if (!isNew) return;
    const onClose = guarded((hadError: unknown) => {
      const last = this.#open.get(socket);
      this.#open.delete(socket);
      if (last !== undefined && hadError !== true) this.#noteEnd(last);
      if (this.#open.size === 0 && !this.#over) this.#lookAgainIn(0);
    });
    socket.once('close', onClose);
    this.#undo.push(() => socket.off('close', onClose));
  }

  /** A connection ended that we have not ended. */
  #noteEnd({ socket, activity }: Connection): void {
    if (isLeaving(socket) || this.#budgetIsOver) return;
    if (isOpaque(activity)) this.#tally.finish(socket);
    // Node closes idle connections, too, when their time is over. A client's own end comes first, where it was the client.
    else if (activity.is === 'idle' && !socket.readableEnded) this.#tally.close(socket);
  }

  #advance(connection: Connection, idleSince: Map<HttpSocket, number>): void {
    const { socket, activity } = connection;
    if (activity.is === 'http2') this.#advanceSession(socket, activity.session);
    else if (isLeaving(socket) || isOpaque(activity)) return;
    else if (activity.is === 'busy') this.#advanceRequest(socket, activity.response);
    else if (activity.is === 'websocket') {
      closeWebSocket(socket, activity.websocket);
      this.#tally.close(socket);
    } else if (!hasHalfRequest(connection)) {
      const since = idleSince.get(socket) ?? now();
      this.#idleSince.set(socket, since);
      if (this.#idleLongEnough(connection, now() - since)) this.#endIdle(socket);
    }
  }

  get #inLastPart(): boolean {
    return this.leftMs <= lastPartMs(this.#budgetMs);
  }

  get #inSecondHalf(): boolean {
    return this.leftMs <= secondHalfMs(this.#budgetMs);
  }

  #advanceSession(socket: HttpSocket, session: ServerHttp2Session): void {
    this.#watch(session);
    sayGoawayWhileAnswering(session, Math.min(GOAWAY_PATIENCE_MS, this.#graceMs));
    this.#tally.close(socket);
    if (!this.#leave && !this.#inLastPart) return;
    for (const stream of streamsOf(session)) {
      if (stream.writableEnded || !streamsToEventSource(stream, this.#requests.get(stream) ?? requestOf(stream)))
        continue;
      this.#endedStreams.add(stream);
      endEventStreamOfHttp2(stream);
      this.#tally.close(stream);
      // As with HTTP/1, where a stream and its connection are one.
      this.#tally.notClosed(socket);
    }
  }

  #advanceRequest(socket: HttpSocket, response: ResponseInternals | undefined): void {
    if (response === undefined) return;
    if ((this.#leave || this.#inLastPart) && answersEventSource(response)) {
      this.#endStream(socket, response);
      return;
    }
    if (this.#leave || response._header !== null) return;
    const bytes = this.#unanswered.get(response);
    if (bytes === undefined) this.#unanswered.set(response, socket.bytesWritten);
    if (this.leftMs > lastWordMs(this.#budgetMs)) return;
    // An app may write to the connection past its response: then nothing is known of what the client has read so far.
    if ((bytes ?? socket.bytesWritten) !== socket.bytesWritten || socket.listenerCount('unpipe') > 0) return;
    this.#cutWith(socket, response);
    answerUnavailable(socket);
  }

  #endStream(socket: HttpSocket, response: ResponseInternals): void {
    if (this.#endedStreams.has(response)) {
      // Its client does not read, so that it cannot finish.
      if (this.#inSecondHalf && !this.#leave) endPolitely(socket);
      return;
    }
    for (const it of [socket, response]) this.#endedStreams.add(it);
    this.#tally.close(response);
    endEventStream(socket, response);
  }

  #idleLongEnough(connection: Connection, idleMs: number): boolean {
    if (idleMs >= this.#graceOf(connection)) return true;
    if (this.#leave) return false;
    return this.#inSecondHalf || (this.#inLastPart && idleMs >= secondHalfMs(this.#budgetMs));
  }

  #endIdle(socket: HttpSocket): void {
    endPolitely(socket, undefined, (data) => {
      // A request that crossed our end: its client will not be answered.
      if (!this.#over) this.#tally.cut(socket, lineIn(data));
    });
    if (!this.#endedStreams.has(socket)) this.#tally.close(socket);
  }

  /** How long this connection may be idle, in milliseconds. */
  #graceOf({ socket, server }: Connection): number {
    if (this.#endedStreams.has(socket)) return Math.min(AFTER_STREAM_MS, this.#graceMs);
    if (!this.#leave) return this.#graceMs;
    const { keepAliveTimeout } = server as { keepAliveTimeout?: unknown };
    if (typeof keepAliveTimeout !== 'number') return this.#graceMs;
    // 0: the server promises to keep it for ever.
    return keepAliveTimeout > 0 ? keepAliveTimeout + KEEP_ALIVE_BUFFER_MS : Number.POSITIVE_INFINITY;
  }

  /** The budget is used up. */
  #cutOff(): void {
    for (const connection of this.#look()) {
      const { socket } = connection;
      attempt(() => this.#countAsCut(connection), undefined);
      socket.on('error', ignoreErrors);
      attempt(() => socket.destroy(), undefined);
    }
  }

  #countAsCut(connection: Connection): void {
    const { socket, activity } = connection;
    this.#awaitEnd(connection);
    if (activity.is === 'http2') {
      this.#cutSession(socket, activity.session);
    } else if (isLeaving(socket)) {
      // It was told, but did not hear all of it.
      const unsent = activity.is === 'websocket' ? unsentOf(socket) : socket.writableLength;
      if (unsent > 0) for (const it of [socket, socket._httpMessage]) if (it) this.#tally.cutIfClosed(it);
    } else if (isOpaque(activity)) {
      this.#tally.cutOpaque(socket, opaqueLine(connection));
    } else if (activity.is === 'busy') {
      const { response } = activity;
      if (response !== undefined && this.#endedStreams.has(response)) this.#tally.cutIfClosed(response);
      else this.#cutWith(socket, response);
    } else if (hasHalfRequest(connection)) {
      this.#tally.cut(socket, halfRequestLine(socket));
    } else if (socket.writableLength > 0) {
      this.#tally.cut(socket);
    } else if (!this.#endedStreams.has(socket)) {
      this.#tally.close(socket);
    }
  }

  #cutSession(socket: HttpSocket, session: ServerHttp2Session): void {
    for (const stream of streamsOf(session)) {
      this.#tally.notClosed(socket);
      this.#tally.cut(stream, requestLine(this.#requests.get(stream) ?? requestOf(stream)));
    }
    cutSession(session);
  }

  /** Counts the requests that have no answer when this connection closes: this one, and those behind it. */
  #cutWith(socket: HttpSocket, response: ResponseInternals | undefined): void {
    if (this.#cutting.has(socket)) return;
    const entry = { response, counted: false };
    this.#cutting.set(socket, entry);
    onUnanswered(socket, (request) => {
      if (this.#over) return;
      entry.counted = true;
      this.#tally.cut(request, requestLine(request));
    });
  }

  /** What closes too late to be looked at has lost one request at least. */
  #countUnclosed(): void {
    for (const { response, counted } of this.#cutting.values())
      if (!counted && response !== undefined) this.#tally.cut(response.req, requestLine(response.req));
    this.#cutting.clear();
  }

  /** What is not finished, when nothing is to be cut. */
  #noteLeft(): void {
    const connections = this.#look().filter(({ socket }) => !isLeaving(socket));
    // A session that was asked to leave and has streams stays, too.
    for (const { socket } of connections) this.#tally.notClosed(socket);
    const leftRequests = connections.flatMap((connection) => attempt(() => unfinishedOn(connection), []));
    this.#left = { left: connections.length, leftRequests: leftRequests.slice(0, NAMED_REQUESTS) };
  }

  /** HTTP/2 has no channel that tells of a finished response on every Node version. */
  #watch(session: ServerHttp2Session): void {
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    const onStream = guarded((stream: ServerHttp2Stream, headers?: IncomingHttpHeaders) => {
      if (headers !== undefined) this.#requests.set(stream, requestIn(headers));
      stream.once(
        'close',
        guarded(() => {
          if (!this.#over && stream.rstCode === 0 && !this.#budgetIsOver) this.#tally.finish(stream);
        }),
      );
    });
    session.on('stream', onStream);
    this.#undo.push(() => session.off('stream', onStream));
    for (const stream of attempt(() => streamsOf(session), [])) onStream(stream);
  }
}

function requestIn(headers: IncomingHttpHeaders): RequestInternals {
  const { ':method': method, ':path': url, ':authority': authority } = headers;
  return { method, url, authority, headers };
}

/** What was sent on a WebSocket and is still in this process, in bytes. */
function unsentOf(socket: HttpSocket): number {
  return websocketOf(socket)?.bufferedAmount ?? socket.writableLength;
}

/** The request line that these bytes begin with. */
function lineIn(data: Buffer): RequestLine | undefined {
  const [, method, url] = /^([A-Z]+) (\S+) HTTP\/1/.exec(data.toString('latin1', 0, 2_048)) ?? [];
  return requestLine({ method, url });
}

function now(): number {
  return performance.now();
}
