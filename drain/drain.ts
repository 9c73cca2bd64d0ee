// The drain itself, once the servers have stopped listening: it finishes what is in flight and ends the other connections
// politely. It is over as soon as nothing is left, or when the budget is used up.

import type { ServerHttp2Session } from 'node:http2';
import { attempt, guarded, ignoreErrors, subscribe } from '../shared/guard.ts';
import { type Connection, hasHalfRequest, isOpaque } from './connections.ts';
import { CutCount } from './cutCount.ts';
import {
  answerUnavailable,
  closeWebSocket,
  endPolitely,
  GOAWAY_PATIENCE_MS,
  isEnding,
  sayGoawayWhileAnswering,
} from './endConnections.ts';
import { answersEventSource, endEventStream, endEventStreamOfHttp2, streamsToEventSource } from './eventStreams.ts';
import { Http2Streams } from './http2Streams.ts';
import { type HttpSocket, type ResponseInternals, type ServerInternals, streamsOf } from './nodeInternals.ts';
import { Schedule } from './schedule.ts';
import { NAMED_REQUESTS, requestLine, Tally, unfinishedOn } from './tally.ts';
import type { DrainOptions, DrainResult, RequestLine } from './types.ts';

/** How long after its `keepAliveTimeout` Node closes a connection at the latest (lib/_http_server.js). */
const KEEP_ALIVE_BUFFER_MS = 1_000;
/** How long a client whose event stream was ended may take to ask again on its connection. */
const AFTER_STREAM_MS = 1_000;
/** How often the drain looks at its connections; less often if a look takes long. */
const LOOK_EVERY_MS = 15;
const LOOK_SHARE = 10;
/** How long destroyed connections may take to close; only then can their requests be counted. */
const CLOSED_WITHIN_MS = 50;

/** One drain, which `run` starts. */
export class Drain {
  readonly #look: () => Connection[];
  readonly #owns: (server: ServerInternals) => boolean;
  readonly #schedule: Schedule;
  readonly #tally = new Tally();
  /** Event streams that the drain has ended, and for HTTP/1 also their connections. */
  readonly #endedStreams = new WeakSet<object>();
  readonly #streams = new Http2Streams((stream) => {
    if (!this.#budgetIsOver) this.#tally.finish(stream);
  });
  readonly #cuts = new CutCount(this.#tally, this.#streams, this.#endedStreams);
  /** Idle connections, and since when. */
  #idleSinceMs = new Map<HttpSocket, number>();
  /** Connections that the last look found open; the drain ends when the last of them closes. */
  readonly #open = new Map<HttpSocket, Connection>();
  /** Responses whose header has not been sent, and how many bytes the connection had sent by then. */
  readonly #unanswered = new WeakMap<ResponseInternals, number>();
  #left: Pick<DrainResult, 'left' | 'leftRequests'> = {};
  #budgetIsOver = false;
  #waitsForCloses = false;
  readonly #undo: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #resolve: (result: DrainResult) => void = () => {};
  readonly done: Promise<DrainResult>;

  /**
   * @param look finds the connections to drain
   * @param owns does the drain concern this server?
   */
  constructor(look: () => Connection[], owns: (server: ServerInternals) => boolean, options: DrainOptions) {
    this.#look = look;
    this.#owns = owns;
    this.#schedule = new Schedule(options);
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
      () => this.#streams.dispose(),
    );
  }

  get over(): boolean {
    return this.#over;
  }

  /** Joins a second call to this drain: the earlier end wins, and a process that exits wins over one that serves on. */
  shorten(options: DrainOptions): void {
    this.#schedule.shorten(options);
  }

  /** Looks again and again until nothing is left or the budget is used up. */
  run(): void {
    if (this.#over) return;
    if (this.#budgetIsOver) {
      this.stop();
      return;
    }
    const startedMs = now();
    const left = attempt(() => this.#step(this.#look()), 1);
    const waited = this.#waitsForCloses;
    this.#waitsForCloses = left === 0 && this.#open.size > 0;
    if (this.#waitsForCloses && !waited) {
      // The last connections are closing. Only when they have closed does the drain know how they ended.
      this.#lookAgainIn(CLOSED_WITHIN_MS);
      return;
    }
    if (left === 0) {
      this.stop();
    } else if (this.#schedule.leftMs > 0) {
      const pauseMs = Math.max(LOOK_EVERY_MS, (now() - startedMs) * LOOK_SHARE);
      this.#lookAgainIn(Math.min(pauseMs, this.#schedule.leftMs));
    } else if (this.#schedule.mayCut) {
      this.#budgetIsOver = true;
      attempt(() => this.#cutOff(), undefined);
      this.#lookAgainIn(CLOSED_WITHIN_MS);
    } else {
      attempt(() => this.#noteLeft(), undefined);
      this.stop();
    }
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
    this.#cuts.finish();
    this.#over = true;
    clearTimeout(this.#timer);
    for (const undo of this.#undo.splice(0)) attempt(undo, undefined);
    this.#idleSinceMs.clear();
    this.#open.clear();
    this.#resolve({ ...this.#tally.result(), ...this.#left });
  }

  /** Does what is due on every connection; returns how many are left. */
  #step(connections: Connection[]): number {
    const idleSinceMs = this.#idleSinceMs;
    this.#idleSinceMs = new Map();
    for (const connection of connections)
      attempt(() => {
        this.#awaitEnd(connection);
        this.#advance(connection, idleSinceMs);
      }, undefined);
    return connections.length;
  }

  /** Ends the drain together with the last connection, and not only at the next look. */
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

  /** Counts a connection that has closed although the drain did not end it. */
  #noteEnd({ socket, activity }: Connection): void {
    if (isEnding(socket) || this.#budgetIsOver) return;
    if (isOpaque(activity)) this.#tally.finish(socket);
    // Node also closes idle connections after their timeout. If it was the client, its end has come first.
    else if (activity.is === 'idle' && !socket.readableEnded) this.#tally.close(socket);
  }

  #advance(connection: Connection, idleSinceMs: Map<HttpSocket, number>): void {
    const { socket, activity } = connection;
    if (activity.is === 'http2') this.#advanceSession(socket, activity.session);
    else if (isEnding(socket) || isOpaque(activity)) return;
    else if (activity.is === 'busy') this.#advanceRequest(socket, activity.response);
    else if (activity.is === 'websocket') {
      closeWebSocket(socket, activity.websocket);
      this.#tally.close(socket);
    } else if (!hasHalfRequest(connection)) {
      const sinceMs = idleSinceMs.get(socket) ?? now();
      this.#idleSinceMs.set(socket, sinceMs);
      if (this.#idleLongEnough(connection, now() - sinceMs)) this.#endIdle(socket);
    }
  }

  #advanceSession(socket: HttpSocket, session: ServerHttp2Session): void {
    this.#streams.watch(session);
    sayGoawayWhileAnswering(session, Math.min(GOAWAY_PATIENCE_MS, this.#schedule.graceMs));
    this.#tally.close(socket);
    if (this.#schedule.mayCut && !this.#schedule.inLastPart) return;
    for (const stream of streamsOf(session)) {
      if (stream.writableEnded || !streamsToEventSource(stream, this.#streams.requestOf(stream))) continue;
      this.#endedStreams.add(stream);
      endEventStreamOfHttp2(stream);
      this.#tally.close(stream);
      // The stream counts, and not its connection: with HTTP/1 they are one.
      this.#tally.notClosed(socket);
    }
  }

  #advanceRequest(socket: HttpSocket, response: ResponseInternals | undefined): void {
    if (response === undefined) return;
    if ((!this.#schedule.mayCut || this.#schedule.inLastPart) && answersEventSource(response)) {
      this.#endStream(socket, response);
      return;
    }
    if (!this.#schedule.mayCut || response._header !== null) return;
    const bytes = this.#unanswered.get(response);
    if (bytes === undefined) this.#unanswered.set(response, socket.bytesWritten);
    if (!this.#schedule.isTimeForLastWords) return;
    // If the app writes to the connection itself, past its response, nothing tells what the client has read so far.
    if ((bytes ?? socket.bytesWritten) !== socket.bytesWritten || socket.listenerCount('unpipe') > 0) return;
    this.#cuts.countRequests(socket, response);
    answerUnavailable(socket);
  }

  #endStream(socket: HttpSocket, response: ResponseInternals): void {
    if (this.#endedStreams.has(response)) {
      // The response cannot finish, because its client does not read.
      if (this.#schedule.inSecondHalf && this.#schedule.mayCut) endPolitely(socket);
      return;
    }
    for (const it of [socket, response]) this.#endedStreams.add(it);
    this.#tally.close(response);
    endEventStream(socket, response);
  }

  #idleLongEnough(connection: Connection, idleMs: number): boolean {
    if (idleMs >= this.#graceOf(connection)) return true;
    const { mayCut, inLastPart, inSecondHalf, secondHalfMs } = this.#schedule;
    return mayCut && (inSecondHalf || (inLastPart && idleMs >= secondHalfMs));
  }

  #endIdle(socket: HttpSocket): void {
    endPolitely(socket, undefined, (data) => {
      // The client has sent a request before it read our end. It gets no answer.
      if (!this.#over) this.#tally.cut(socket, lineIn(data));
    });
    if (!this.#endedStreams.has(socket)) this.#tally.close(socket);
  }

  /** How long this connection may be idle. */
  #graceOf({ socket, server }: Connection): number {
    if (this.#endedStreams.has(socket)) return Math.min(AFTER_STREAM_MS, this.#schedule.graceMs);
    if (this.#schedule.mayCut) return this.#schedule.graceMs;
    const { keepAliveTimeout } = server as { keepAliveTimeout?: unknown };
    if (typeof keepAliveTimeout !== 'number') return this.#schedule.graceMs;
    // With 0, the server promises to keep idle connections for ever.
    return keepAliveTimeout > 0 ? keepAliveTimeout + KEEP_ALIVE_BUFFER_MS : Number.POSITIVE_INFINITY;
  }

  /** Cuts what is unfinished when the budget is used up. */
  #cutOff(): void {
    for (const connection of this.#look()) {
      const { socket } = connection;
      attempt(() => {
        this.#awaitEnd(connection);
        this.#cuts.count(connection);
      }, undefined);
      socket.on('error', ignoreErrors);
      attempt(() => socket.destroy(), undefined);
    }
  }

  /** Records what is unfinished in a process that serves on, where nothing is cut. */
  #noteLeft(): void {
    const connections = this.#look().filter(({ socket }) => !isEnding(socket));
    // A session that has got a GOAWAY and has open streams stays open, too.
    for (const { socket } of connections) this.#tally.notClosed(socket);
    const leftRequests = connections.flatMap((connection) => attempt(() => unfinishedOn(connection), []));
    this.#left = { left: connections.length, leftRequests: leftRequests.slice(0, NAMED_REQUESTS) };
  }
}

/** The request line that these bytes begin with. */
function lineIn(data: Buffer): RequestLine | undefined {
  const [, method, url] = /^([A-Z]+) (\S+) HTTP\/1/.exec(data.toString('latin1', 0, 2_048)) ?? [];
  return requestLine({ method, url });
}

function now(): number {
  return performance.now();
}
