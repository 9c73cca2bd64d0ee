// How a process stands towards its clients and its signals, in an operator's words.

export type ServingState = 'serving' | 'draining' | 'drained' | 'no-server';

/** What handles SIGINT, SIGTERM and PM2's `shutdown` message. `ours`: the agent, with a drain; `app`: the app itself; `off`: neither,
 * because the app has no server or the setting `graceful` is off. */
export type GracefulBy = 'ours' | 'app' | 'off';

/** Where a process takes connections, also while it is drained. */
export interface ListenAddress {
  /** `0.0.0.0:3000`, `[::]:3000` or a socket's path. */
  at: string;
  /** The process holds the socket itself; otherwise a cluster's primary shares it among its workers. */
  own?: true;
  /** The app asked for port 0, so the system chose this port, and the next process gets another one. */
  anyPort?: true;
}

/** How a process stands, as its agent tells it. */
export interface Standing {
  state: ServingState;
  graceful: GracefulBy;
  addresses: ListenAddress[];
  /** It was drained with `force`, or by an action that resumes it itself, so the module does not resume it. */
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
  /** How long an HTTP server keeps an idle connection open; 0: for ever, or not at all. */
  keepAliveTimeoutMs?: number;
}
