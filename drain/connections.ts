// Finds the open connections and what each is doing. It computes that on demand, so that no request costs anything.

import type { IncomingMessage } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import { createRequire } from 'node:module';
import type tls from 'node:tls';
import { attempt } from '../shared/guard.ts';
import {
  activeHandles,
  connectionsList,
  type HttpSocket,
  hadSession,
  isServer,
  type ResponseInternals,
  type ServerInternals,
  sessionOf,
  streamsOf,
  type WebSocketInternals,
  websocketOf,
} from './nodeInternals.ts';
import { isSecure, kindOf } from './servers.ts';

/** What a connection is doing. */
export type Activity =
  /** A request has no whole response yet, or its body is still arriving. */
  | { is: 'busy'; response: ResponseInternals | undefined }
  /** Between two requests, or before the first. Node counts a request as started from the moment a connection is open. */
  | { is: 'idle'; started: boolean }
  | { is: 'http2'; session: ServerHttp2Session; streams: number }
  /** The app ends this WebSocket itself, by an object of the ws library. */
  | { is: 'websocket'; websocket: WebSocketInternals }
  /** A CONNECT tunnel or an upgraded connection, in a protocol that we do not know. It may be a WebSocket that the app passes on to
   * another server. */
  | { is: 'tunnel' }
  /** A connection of a plain net or tls server, in a protocol that we do not know. */
  | { is: 'raw' };

export interface Connection {
  socket: HttpSocket;
  server: ServerInternals;
  activity: Activity;
}

/** The open connections of the servers that `wanted` accepts. */
export function openConnections(
  servers: Iterable<ServerInternals>,
  wanted: (server: ServerInternals) => boolean = () => true,
): Connection[] {
  const sockets = new Map<HttpSocket, ServerInternals>();
  const started = new Set<HttpSocket>();
  const wrapped = new Set<object>();
  const add = (socket: HttpSocket, server: ServerInternals) => {
    if (!socket.destroyed) sockets.set(socket, server);
    if (socket._parent) wrapped.add(socket._parent);
  };
  for (const server of servers) {
    if (!wanted(server)) continue;
    const list = connectionsList(server);
    for (const { socket } of attempt(() => list?.all() ?? [], [])) if (socket) add(socket, server);
    for (const { socket } of attempt(() => list?.active() ?? [], [])) if (socket) started.add(socket);
  }
  for (const owner of attempt(activeHandles, []) as HttpSocket[]) {
    const server = owner.server;
    if (!server || sockets.has(owner) || wrapped.has(owner) || owner.destroyed) continue;
    if (!isServer(server) || !wanted(server)) continue;
    add(isSecure(server) ? (secureSocket(owner) ?? owner) : owner, server);
  }
  const connections: Connection[] = [];
  for (const [socket, server] of sockets)
    connections.push({ socket, server, activity: activityOf(socket, server, started.has(socket)) });
  return connections;
}

/** Requests and streams that this connection has not answered yet. */
export function inFlightOn({ activity }: Connection): number {
  if (activity.is === 'http2') return activity.streams;
  return activity.is === 'busy' ? 1 : 0;
}

/** Do only its two ends know when it is done? Then it counts as in flight until it ends by itself, and we write nothing on it. */
export function isOpaque({ is }: Activity): boolean {
  return is === 'tunnel' || is === 'raw';
}

/** Has a part of a request's head arrived? A separate question, because counting bytes takes microseconds a connection. */
export function hasHalfRequest({ socket, activity }: Connection): boolean {
  return activity.is === 'idle' && activity.started && socket.bytesRead > 0;
}

/** The request whose head was read last on this connection, until its response is finished. */
export function newestRequest(socket: HttpSocket): RequestOfParser | undefined {
  return socket.parser?.incoming ?? undefined;
}

/** lib/_http_server.js (parserOnIncoming) */
type RequestOfParser = IncomingMessage & { upgrade?: boolean | null };

function activityOf(socket: HttpSocket, server: ServerInternals, started: boolean): Activity {
  if (socket.parser) {
    const response = socket._httpMessage ?? undefined;
    const request = newestRequest(socket);
    // Node 26 keeps the parser until it has the body of an upgrade request.
    if (request?.upgrade === true) return { is: 'tunnel' };
    // A request has no response while its body still arrives, or if the app has taken its connection from Node.
    if (response !== undefined || request !== undefined) return { is: 'busy', response };
    return { is: 'idle', started };
  }
  const session = sessionOf(socket);
  if (session !== undefined) return { is: 'http2', session, streams: streamsOf(session).length };
  const kind = kindOf(server);
  if (kind === 'net' || kind === 'tls') return { is: 'raw' };
  if (isSecure(server)) {
    // A TCP connection whose TLSSocket was not found.
    if (socket.encrypted !== true) return { is: 'raw' };
    if (socket._secureEstablished !== true) return { is: 'idle', started: false };
  }
  // The session has ended; only the client's end of the connection is outstanding.
  if (hadSession(socket)) return { is: 'idle', started: false };
  const websocket = websocketOf(socket);
  return websocket === undefined ? { is: 'tunnel' } : { is: 'websocket', websocket };
}

const secureSockets = new WeakMap<object, HttpSocket>();

/** The TLSSocket over an accepted TCP socket. Only the TCP socket's first `close` listener leads to it, `() => this.destroy()`
 * (lib/internal/tls/wrap.js, TLSSocket#_wrapHandle). So this calls that listener once, with `destroy` replaced by a function that
 * records `this`. */
function secureSocket(tcp: HttpSocket): HttpSocket | undefined {
  const known = secureSockets.get(tcp);
  if (known !== undefined) return known;
  const first = tcp.listeners('close')[0];
  if (first === undefined || !/^\(\)\s*=>\s*this\.destroy\(\)$/.test(String(first))) return undefined;
  // Loaded on use: an app with a TLS server has it already, and no other app has to load it.
  const prototype = (createRequire(process.execPath)('node:tls') as typeof tls).TLSSocket.prototype;
  const own = Object.getOwnPropertyDescriptor(prototype, 'destroy');
  let found: HttpSocket | undefined;
  Object.defineProperty(prototype, 'destroy', {
    configurable: true,
    writable: true,
    value(this: HttpSocket) {
      found = this;
      return this;
    },
  });
  try {
    Reflect.apply(first, tcp, []);
  } finally {
    if (own === undefined) delete (prototype as { destroy?: unknown }).destroy;
    else Object.defineProperty(prototype, 'destroy', own);
  }
  if (found?._parent !== tcp) return undefined;
  secureSockets.set(tcp, found);
  return found;
}
