// Closes a server so that no client loses a request, not even one that is on its way on an idle connection.

import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';

/** We leave this long before PM2 would send SIGKILL. */
const MARGIN_MS = 200;
/** Share of the time that idle connections may use to bring their next request. */
const IDLE_SHARE = 0.9;

export interface GracefulClose {
  readonly started: boolean;
  /** Resolves when every connection has ended, or when the time is up; `cut` requests were not answered then. */
  close(killTimeoutMs: number): Promise<{ cut: number }>;
}

/** Watches `server`; call it before the server gets its first connection. */
export function gracefulClose(server: HttpServer): GracefulClose {
  /** Every connection, with the responses that are being made on it. */
  const connections = new Map<Socket, Set<ServerResponse>>();
  let started = false;
  let whenEmpty = () => {};

  server.on('connection', (socket: Socket) => {
    connections.set(socket, new Set());
    socket.once('close', () => {
      connections.delete(socket);
      if (connections.size === 0) whenEmpty();
    });
  });

  server.on('request', ({ socket }: IncomingMessage, res: ServerResponse) => {
    const responses = connections.get(socket);
    responses?.add(res);
    res.once('close', () => responses?.delete(res));
    if (started) makeLast(res);
  });

  async function close(killTimeoutMs: number): Promise<{ cut: number }> {
    started = true;
    const budgetMs = Math.max(0, killTimeoutMs - MARGIN_MS);
    // Stops listening only: in a cluster the other workers take new connections from here on. `server.close()` of http
    // would end the idle connections as well, while their clients may already be writing the next request.
    NetServer.prototype.close.call(server);
    for (const responses of connections.values()) for (const res of responses) makeLast(res);
    // An idle connection stays open until its next request has been answered, or the server's keepAliveTimeout has ended
    // it (clients know that one and keep clear of it), or time runs short.
    const idleDeadline = setTimeout(() => endIdle(connections), budgetMs * IDLE_SHARE);
    await new Promise<void>((resolve) => {
      const deadline = setTimeout(resolve, budgetMs);
      whenEmpty = () => {
        clearTimeout(deadline);
        resolve();
      };
      if (connections.size === 0) whenEmpty();
    });
    clearTimeout(idleDeadline);
    return { cut: [...connections.values()].filter((responses) => responses.size > 0).length };
  }

  return {
    get started() {
      return started;
    },
    close,
  };
}

/** Tells the client to use another connection for its next request; Node ends this one after the response. */
function makeLast(res: ServerResponse): void {
  if (!res.headersSent) res.setHeader('Connection', 'close');
}

/** Ends connections without a request: an end, not a reset, so that the client can tell. */
function endIdle(connections: Map<Socket, Set<ServerResponse>>): void {
  for (const [socket, responses] of connections) if (responses.size === 0) socket.end();
}
