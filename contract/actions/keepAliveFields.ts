// The reply of both actions about keep-alive.

export interface KeepAliveFields {
  /** Do responses leave their connections open from now on? */
  keepAlive: boolean;
  /** The number of open connections. */
  connections: number;
}
