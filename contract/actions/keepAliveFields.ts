// What both actions about keep-alive reply.

export interface KeepAliveFields {
  /** Does a response leave its connection open, from now on? */
  keepAlive: boolean;
  /** Open ones. */
  connections: number;
}
