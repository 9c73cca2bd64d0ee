// The parts of Node's internals that we use, each with its source file in Node. Any of them may be missing in another version, so
// callers treat each as optional and have a fallback.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';

/** What `server._handle` may be: a TCP or Pipe handle, the faux handle of a cluster worker, or our stub.
 * lib/net.js (setupListenHandle), lib/internal/cluster/child.js (rr, shared), src/tcp_wrap.cc, src/pipe_wrap.cc */
export interface ListenHandle {
  close(callback?: () => void): void;
  ref?(): void;
  unref?(): void;
  hasRef?(): boolean;
  getsockname?(out: SocketName): number;
  getAsyncId?(): number;
  /** Only the faux handle of a round-robin worker has it as an own property. */
  listen?(backlog: number): number;
  fd?: number;
}

export interface SocketName {
  address?: string;
  port?: number;
  family?: string;
}

/** lib/net.js (Server) */
export interface ServerInternals extends Server {
  _handle: ListenHandle | null;
  /** `<address type>:<address>:<port>` of the `listen` call, which may differ from what is bound: `4:null:3000` in a worker. */
  _connectionKey?: string;
  _connections: number;
  _pipeName?: string;
  _unref?: boolean;
  _listeningId?: number;
  /** The second half of `listen`: uses `_handle` if there is one, else creates it. */
  _listen2(
    address: string | null,
    port: number,
    addressType: number,
    backlog: number,
    fd: number | undefined,
    flags: number | undefined,
  ): void;
  keepAliveTimeout?: number;
}

/** lib/internal/cluster/child.js */
export interface ClusterChild {
  _getServer?(
    server: Server,
    options: Record<string, unknown>,
    callback: (errno: number, handle: ListenHandle | null) => void,
  ): void;
}

/** lib/_http_server.js, lib/_http_common.js, src/node_http_parser.cc */
export interface Parser {
  socket?: HttpSocket | null;
  incoming?: IncomingMessage | null;
  getCurrentBuffer?(): Buffer | undefined;
}

/** lib/_http_server.js (`Symbol(http.server.connections)`), src/node_http_parser.cc (ConnectionsList) */
export interface ConnectionsList {
  all(): Parser[];
  active(): Parser[];
}

/** lib/net.js, lib/_http_server.js, lib/internal/tls/wrap.js: a socket that a server accepted. */
export interface HttpSocket extends Socket {
  server?: ServerInternals | null;
  parser?: Parser | null;
  _httpMessage?: ResponseInternals | null;
  /** The TCP socket under a TLSSocket. */
  _parent?: Socket;
  encrypted?: boolean;
  _secureEstablished?: boolean;
  destroySoon(): void;
}

/** lib/_http_outgoing.js, lib/_http_server.js */
export interface ResponseInternals extends ServerResponse {
  _header: string | null;
  _last: boolean;
  _removedConnection: boolean;
  chunkedEncoding: boolean;
  _storeHeader(firstLine: string, headers: unknown): void;
}

/** ws, lib/websocket.js */
export interface WebSocketInternals {
  close(code: number): void;
  /** The bytes that were sent and are still in this process. */
  bufferedAmount?: number;
}

/** lib/internal/http2/core.js (`Symbol(state)` of a session) */
export interface SessionState {
  streams?: Map<number, ServerHttp2Stream>;
}

/** node::Process (lib/internal/bootstrap/node.js): owners of all referenced libuv handles. */
export function activeHandles(): object[] {
  const list = (process as unknown as { _getActiveHandles?: () => object[] })._getActiveHandles;
  return typeof list === 'function' ? Reflect.apply(list, process, []) : [];
}

/** An own property whose key is a symbol of that description, or undefined. */
export function bySymbol(object: object, description: string): unknown {
  const key = symbolOf(object, description);
  return key === undefined ? undefined : (object as Record<symbol, unknown>)[key];
}

/** The object's own symbol of that description. */
export function symbolOf(object: object, description: string): symbol | undefined {
  return Object.getOwnPropertySymbols(object).find((symbol) => symbol.description === description);
}

/** Is it a net.Server or a subclass? Looks at the shape, so that no module is loaded into an app that does not use it. */
export function isServer(value: unknown): value is ServerInternals {
  const server = value as Partial<ServerInternals> | null | undefined;
  return (
    typeof server === 'object' &&
    server !== null &&
    typeof server._connections === 'number' &&
    typeof server._listen2 === 'function' &&
    typeof server.getConnections === 'function'
  );
}

/** The HTTP/1 connections of a server; undefined if it has no such list. */
export function connectionsList(server: object): ConnectionsList | undefined {
  const list = bySymbol(server, 'http.server.connections') as ConnectionsList | undefined;
  return typeof list?.all === 'function' ? list : undefined;
}

/** The HTTP/2 session that a socket carries. lib/internal/http2/core.js stores it under `kBoundSession`, which it imports from a
 * module that does not export it (Node 20 to 26), so the key is the string `undefined`. */
export function sessionOf(socket: object): ServerHttp2Session | undefined {
  for (const key of ['undefined', ...Object.getOwnPropertySymbols(socket)]) {
    const value = (socket as Record<string | symbol, unknown>)[key] as Partial<ServerHttp2Session> | null | undefined;
    if (typeof value === 'object' && value !== null && typeof value.goaway === 'function')
      return value as ServerHttp2Session;
  }
  return undefined;
}

/** Did this socket carry an HTTP/2 session that has ended? The key stays, without a value (lib/internal/http2/core.js). */
export function hadSession(socket: object): boolean {
  return Object.hasOwn(socket, 'undefined') && sessionOf(socket) === undefined;
}

/** The ws library's object for a WebSocket that ends in this process. Only it knows what is queued and where a frame ends. */
export function websocketOf(socket: object): WebSocketInternals | undefined {
  const found = bySymbol(socket, 'websocket') as
    | (Partial<WebSocketInternals> & { _socket?: unknown; _isServer?: unknown })
    | null
    | undefined;
  if (typeof found?.close !== 'function' || found._socket !== socket || found._isServer === false) return undefined;
  // Some apps use ws only for the handshake, and then write to the connection themselves.
  if ((socket as HttpSocket).listenerCount('unpipe') > 0) return undefined;
  return found as WebSocketInternals;
}

/** The open streams of an HTTP/2 session. */
export function streamsOf(session: object): ServerHttp2Stream[] {
  const streams = (bySymbol(session, 'state') as SessionState | undefined)?.streams;
  // Node's own kind of Map, for which `instanceof` is false (lib/internal/per_context/primordials.js, SafeMap).
  return typeof streams?.values === 'function' ? [...streams.values()] : [];
}

/** What is known of a request of HTTP/1 or HTTP/2. */
export interface RequestInternals {
  method?: string | undefined;
  url?: string | undefined;
  /** The target of an HTTP/2 CONNECT, which has no path. */
  authority?: string | undefined;
  headers?: Record<string, unknown>;
}

/** The request of an HTTP/2 stream, if the app uses the compatibility API (lib/internal/http2/compat.js, kRequest). */
export function requestOf(stream: object): RequestInternals | undefined {
  return bySymbol(stream, 'request') as RequestInternals | undefined;
}
