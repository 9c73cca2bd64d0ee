// The interface of the drain engine.

import type { ListenAddress, ServerInfo, ServingState } from '../contract/standing.ts';

/** Has a process stop and start taking requests. No method throws unless its comment says so. */
export interface DrainEngine {
  /** How the process stands towards its clients. */
  state(): ServingState;
  /** The app's servers that listen, are drained, or still have connections. */
  servers(): ServerInfo[];
  /** Where the app listens, also while it is drained. */
  addresses(): ListenAddress[];
  /** The process's own TCP sockets that listen now, on ports that the app has chosen. */
  sockets(): OwnSocket[];
  /** The number of open connections and of unanswered requests on them, over all servers. */
  totals(): { connections: number; inFlight: number };
  /** The number of open connections, cheaply: as Node counts them, over the servers that are known. */
  openConnections(): number;
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
  /** Does the process exit? It does after a drain with `last`. */
  leaving(): boolean;
  /** Removes everything of ours from the process. A drained process listens again, unless that drain was its last. */
  dispose(): Promise<void>;
  /** Calls back after every change of `state()` that the engine makes. Returns the undo. */
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

/** What clients noticed of a drain. Each request, stream and connection counts once. */
export interface DrainResult {
  /** Responses that were completed, and tunnels and raw connections that ended by themselves. */
  finished: number;
  /** What was ended politely: idle connections, HTTP/2 sessions, WebSockets of ws, streams of an EventSource. */
  closed: number;
  /** What was cut off when the budget ended: requests, tunnels, raw connections. */
  cut: number;
  /** The first cut requests that are known. */
  cutRequests?: RequestLine[];
  /** How many of `cut` are tunnels and raw connections. Only their two ends know whether they were done. */
  cutOpaque?: number;
  /** Connections that are still open, with `unfinished: 'leave'`. */
  left?: number;
  /** The first requests on them that are known. */
  leftRequests?: RequestLine[];
}

/** A request as an operator recognises it, without its query, which may contain secrets. For a tunnel or a raw connection: its
 * kind and where it comes from. */
export interface RequestLine {
  method: string;
  path: string;
}

export interface DrainOptions {
  /** The drain is over after this time, even if something is left. */
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
  /** Addresses at which the process goes on listening. No other process would take their clients, so these have to wait. */
  except?: readonly string[];
}
