// What the drain engine is asked for, and what it answers.

import type { ListenAddress, ServerInfo, ServingState } from '../contract/standing.ts';

/** How a process stops and starts taking its clients' requests. None of it throws unless it says so. */
export interface DrainEngine {
  /** How the process stands towards its clients. */
  state(): ServingState;
  /** The app's servers that listen, are drained, or still have connections. */
  servers(): ServerInfo[];
  /** Where the app listens, also while that is drained. */
  addresses(): ListenAddress[];
  /** The TCP sockets of its own that the process listens on now, on ports that the app chose. */
  sockets(): OwnSocket[];
  /** Open connections, and requests on them that are not answered yet, over all servers. */
  totals(): { connections: number; inFlight: number };
  /** Are connections kept open after a response? */
  keepAlive(): boolean;
  /** From now on every response ends its connection; HTTP/2 clients are asked to end their sessions. New connections are still
   * taken. Returns the number of open connections. */
  disableKeepAlive(): number;
  /** Undoes that. Returns the number of open connections. */
  enableKeepAlive(): number;
  /** Stops listening, finishes what is in flight, ends what is idle. Afterwards the process stays up, not listening.
   * Resolves when nothing is left, at the latest after `budgetMs`. While one runs, another call joins
   * it, and the earlier end of the two wins. */
  drain(options: DrainOptions): Promise<DrainResult>;
  /** Listens again as before and resolves to the addresses; a drain that is running ends. Rejects if a server could not
   * listen again: the others do, `state()` stays `drained`, and another call tries again. Rejects, too, after a drain that
   * was the last. */
  resume(): Promise<string[]>;
  /** Is the process on its way out, after a drain that was asked for as its last? */
  leaving(): boolean;
  /** Takes everything out of the process again; a drained process listens again, unless that drain was its last. */
  dispose(): Promise<void>;
  /** Calls back after every change of `state()` that is of the engine's doing. Returns the undo. */
  onState(listener: (state: ServingState) => void): () => void;
  /** Calls back whenever a server of the app becomes known. Returns the undo. */
  onServer(listener: () => void): () => void;
}

/** A listening socket, by Node's own object. */
export interface OwnSocket {
  /** `0.0.0.0:3000` or `[::]:3000`. */
  at: string;
  handle: object;
}

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
  /** Of `cut`: tunnels and raw connections. Only their two ends know whether they were done. */
  cutOpaque?: number;
  /** Connections that are still open, with `unfinished: 'leave'`. */
  left?: number;
  /** The first requests on them that can be told. */
  leftRequests?: RequestLine[];
}

/** A request as an operator recognises it, without its query, which may hold secrets. Of a tunnel or a raw connection: what
 * it is and where it comes from. */
export interface RequestLine {
  method: string;
  path: string;
}

export interface DrainOptions {
  /** The drain is over then, whatever is left. */
  budgetMs: number;
  /** How long an idle connection may take to send its next request. Default: see `defaultGraceMs`. */
  graceMs?: number;
  /** The process exits afterwards: nothing makes it listen again. */
  last?: boolean;
  /**
   * What the drain does with unfinished requests and connections when the budget ends. `cut`, for a process that exits: it
   * destroys them. `leave`, for a process that will serve on: they stay open, and nothing is ever cut. With `leave`, an idle
   * connection is ended only when its client has no reason to use it any more (the server's `keepAliveTimeout` is over), and
   * the streams of an EventSource, which comes back by itself, are ended at once.
   */
  unfinished?: 'cut' | 'leave';
  /** Addresses at which it goes on listening: no other process would take their clients, so these wait. */
  except?: readonly string[];
}
