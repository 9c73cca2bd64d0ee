// How a process stands towards its clients and its signals, in an operator's words.

export type ServingState = 'serving' | 'draining' | 'drained' | 'no-server';

/** Who handles SIGINT, SIGTERM and PM2's `shutdown` message: our agent, by a drain; the app itself; or, with `off`, neither,
 * because the app has no server or the setting `graceful` is off. */
export type GracefulBy = 'ours' | 'app' | 'off';

/** Where a process takes connections, also while it is drained. */
export interface ListenAddress {
  /** `0.0.0.0:3000`, `[::]:3000` or a socket's path. */
  at: string;
  /** The socket is the process's own: not one that a cluster's primary shares out among its workers. */
  own?: true;
  /** The system chose the port (the app asked for 0): the next process gets another one. */
  anyPort?: true;
}

/** As the agent of a process tells it. */
export interface Standing {
  state: ServingState;
  graceful: GracefulBy;
  addresses: ListenAddress[];
  /** It was drained with `force`, or by an action that brings it back itself: the module does not resume it. */
  stays?: true;
  /** It drains because it is about to exit. */
  exits?: true;
}

/** A server of a process. */
export interface ServerInfo {
  kind: 'http' | 'https' | 'http2' | 'net' | 'tls';
  /** `0.0.0.0:3000`, `[::]:3000` or a socket's path. */
  address: string;
  listening: boolean;
  connections: number;
  inFlight: number;
  /** How long it keeps an idle connection open; 0 for ever, or for no time. HTTP servers have it. */
  keepAliveTimeoutMs?: number;
}
