// The drain itself, from the moment the servers have stopped listening: finish what is in flight, tell the rest
// goodbye, and be gone the moment nothing is left or the budget is.

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type Connection, hasHalfRequest, inFlightOn, newestRequest } from './connections.ts';
import {
  answerUnavailable,
  closeUpgraded,
  closeWebSocket,
  cutSession,
  endEventStream,
  endEventStreams,
  endPolitely,
  GOAWAY_PATIENCE_MS,
  isLeaving,
  sayGoawayWhileAnswering,
  streamsEvents,
} from './farewell.ts';
import { attempt, guarded, ignoreErrors, subscribe } from './guard.ts';
import { type HttpSocket, type ResponseInternals, requestOf, type ServerInternals, streamsOf } from './internals.ts';

/** What a drain did. */
export interface DrainResult {
  /** Responses completed while it ran. */
  finished: number;
  /** Idle or long connections that were ended politely. */
  closed: number;
  /** Requests that were cut off when the budget ended. */
  cut: number;
  /** The first of those whose method and path are known. */
  cutRequests?: RequestLine[];
  /** Connections that are still open, with `unfinished: 'leave'`. */
  left?: number;
  /** The first requests on them whose method and path are known. */
  leftRequests?: RequestLine[];
}

/** A request as an operator recognises it; its query may hold secrets and is left out. */
export interface RequestLine {
  method: string;
  path: string;
}

/** So many of the requests that were cut are named. */
const NAMED_REQUESTS = 10;

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
   * server's `keepAliveTimeout` is over), and event streams, whose clients come back by themselves, are ended at once.
   */
  unfinished?: 'cut' | 'leave';
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

/** Idle connections get all the time that the budget allows, up to 6 s: after that nobody has reason to use them. */
export function defaultGraceMs(budgetMs: number): number {
  return Math.min(LONGEST_GRACE_MS, budgetMs - lastPartMs(budgetMs));
}

/** The budget's last part, in milliseconds: 10 %, between 50 ms and 1 s. Streams that never end by themselves end here. */
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
  readonly #result: DrainResult = { finished: 0, closed: 0, cut: 0 };
  /** Idle and raw connections: since when (milliseconds) nothing has happened, and how many bytes had passed. */
  #quiet = new Map<HttpSocket, { since: number; bytes: number }>();
  readonly #watched = new WeakSet<object>();
  /** Connections of the last look that are still open; the last of them that closes ends the drain. */
  readonly #open = new Set<HttpSocket>();
  /** Event streams that we ended, and their connections: they count as closed, once. */
  readonly #endedStreams = new WeakSet<object>();
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
          if (this.#owns(server) && !this.#endedStreams.has(response)) this.#result.finished++;
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
    const started = now();
    const left = attempt(() => this.#step(this.#look()), 1);
    if (left === 0 || this.leftMs <= 0) {
      if (left > 0) attempt(() => this.#cutOff(), undefined);
      this.stop();
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
    this.#over = true;
    clearTimeout(this.#timer);
    for (const undo of this.#undo.splice(0)) attempt(undo, undefined);
    this.#quiet.clear();
    this.#open.clear();
    this.#resolve({ ...this.#result });
  }

  /** Does for every connection what is due; returns how many are left. */
  #step(connections: Connection[]): number {
    const quiet = this.#quiet;
    this.#quiet = new Map();
    for (const connection of connections)
      attempt(() => {
        this.#awaitEnd(connection.socket);
        this.#advance(connection, quiet);
      }, undefined);
    return connections.length;
  }

  /** The drain does not last until the next look when nothing is left before. */
  #awaitEnd(socket: HttpSocket): void {
    if (this.#open.has(socket)) return;
    this.#open.add(socket);
    const onClose = guarded(() => {
      this.#open.delete(socket);
      if (this.#open.size === 0 && !this.#over) this.#lookAgainIn(0);
    });
    socket.once('close', onClose);
    this.#undo.push(() => socket.off('close', onClose));
  }

  #advance(connection: Connection, quiet: Map<HttpSocket, { since: number; bytes: number }>): void {
    const { socket, activity } = connection;
    const inLastPart = this.leftMs <= lastPartMs(this.#budgetMs);
    const inSecondHalf = this.leftMs <= secondHalfMs(this.#budgetMs);
    const endsStreams = this.#leave || inLastPart;
    if (activity.is === 'http2') {
      this.#watch(activity.session);
      if (sayGoawayWhileAnswering(activity.session, Math.min(GOAWAY_PATIENCE_MS, this.#graceMs))) this.#result.closed++;
      if (endsStreams) endEventStreams(activity.session);
      return;
    }
    if (isLeaving(socket)) return;
    if (activity.is === 'busy') {
      const { response } = activity;
      if (response === undefined) return;
      if (endsStreams && response._header !== null && streamsEvents(response)) {
        this.#endStream(socket, response, inSecondHalf);
      } else if (!this.#leave && response._header === null && this.leftMs <= lastWordMs(this.#budgetMs)) {
        answerUnavailable(socket);
        this.#result.cut++;
        this.#name(response.req);
      }
      return;
    }
    if (activity.is === 'websocket') {
      closeWebSocket(socket, activity.close);
      this.#result.closed++;
    } else if (activity.is === 'upgraded' && !inLastPart) {
      closeUpgraded(socket);
    } else if (!hasHalfRequest(connection)) {
      const bytes = activity.is === 'raw' ? socket.bytesRead + socket.bytesWritten : 0;
      const before = quiet.get(socket);
      const entry = before?.bytes === bytes ? before : { since: now(), bytes };
      this.#quiet.set(socket, entry);
      const quietMs = now() - entry.since;
      const enough = activity.is !== 'upgraded' && quietMs >= this.#graceOf(connection);
      const late = inSecondHalf || (inLastPart && quietMs >= secondHalfMs(this.#budgetMs));
      const mayNotStay = late && !(this.#leave && activity.is === 'idle');
      if (!enough && !mayNotStay) return;
      endPolitely(socket);
      if (!this.#endedStreams.has(socket)) this.#result.closed++;
    }
  }

  #endStream(socket: HttpSocket, response: ResponseInternals, inSecondHalf: boolean): void {
    if (this.#endedStreams.has(response)) {
      // Its client does not read, so that it cannot finish.
      if (inSecondHalf && !this.#leave) endPolitely(socket);
      return;
    }
    for (const it of [socket, response]) this.#endedStreams.add(it);
    this.#result.closed++;
    endEventStream(socket, response);
  }

  /** How long this connection may be idle, in milliseconds. */
  #graceOf({ socket, server, activity }: Connection): number {
    if (this.#endedStreams.has(socket)) return Math.min(AFTER_STREAM_MS, this.#graceMs);
    if (!this.#leave || activity.is !== 'idle') return this.#graceMs;
    const { keepAliveTimeout } = server as { keepAliveTimeout?: unknown };
    if (typeof keepAliveTimeout !== 'number') return this.#graceMs;
    // 0: the server promises to keep it for ever.
    return keepAliveTimeout > 0 ? keepAliveTimeout + KEEP_ALIVE_BUFFER_MS : Number.POSITIVE_INFINITY;
  }

  /** The budget is used up. */
  #cutOff(): void {
    if (this.#leave) {
      this.#noteLeft();
      return;
    }
    for (const connection of this.#look()) {
      const { socket, activity } = connection;
      attempt(() => {
        if (activity.is === 'http2') {
          for (const stream of streamsOf(activity.session)) this.#name(requestOf(stream));
          this.#result.cut += cutSession(activity.session);
        } else if (!isLeaving(socket)) {
          if (inFlightOn(connection) > 0) {
            this.#result.cut++;
            this.#name((activity.is === 'busy' && activity.response?.req) || newestRequest(socket));
          } else if (hasHalfRequest(connection) || socket.writableLength > 0) this.#result.cut++;
          else this.#result.closed++;
        }
        socket.on('error', ignoreErrors);
        socket.destroy();
      }, undefined);
    }
  }

  /** What is not finished, when nothing is to be cut. */
  #noteLeft(): void {
    const connections = this.#look().filter(({ socket }) => !isLeaving(socket));
    this.#result.left = connections.length;
    this.#result.leftRequests = [];
    for (const { socket, activity } of connections) {
      attempt(() => {
        const { leftRequests } = this.#result;
        if (activity.is === 'http2')
          for (const stream of streamsOf(activity.session)) addTo(leftRequests, requestOf(stream));
        else if (activity.is === 'busy') addTo(leftRequests, activity.response?.req ?? newestRequest(socket));
      }, undefined);
    }
  }

  #name(request: NamedRequest | undefined): void {
    this.#result.cutRequests ??= [];
    addTo(this.#result.cutRequests, request);
    if (this.#result.cutRequests.length === 0) delete this.#result.cutRequests;
  }

  /** HTTP/2 has no channel that tells of a finished response on every Node version. */
  #watch(session: ServerHttp2Session): void {
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    const onStream = guarded((stream: ServerHttp2Stream) => {
      stream.once(
        'close',
        guarded(() => {
          if (!this.#over && stream.rstCode === 0) this.#result.finished++;
        }),
      );
    });
    session.on('stream', onStream);
    this.#undo.push(() => session.off('stream', onStream));
    for (const stream of attempt(() => streamsOf(session), [])) onStream(stream);
  }
}

interface NamedRequest {
  method?: string | undefined;
  url?: string | undefined;
}

function addTo(lines: RequestLine[] | undefined, request: NamedRequest | undefined): void {
  if (!lines || lines.length >= NAMED_REQUESTS || request?.method === undefined || request.url === undefined) return;
  lines.push({ method: request.method, path: request.url.replace(/[?#].*$/s, '') });
}

function now(): number {
  return performance.now();
}
