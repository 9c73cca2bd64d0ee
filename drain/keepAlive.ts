// Makes every HTTP/1 response end its connection, whatever the app says itself. It is settled where the header is
// rendered: an app's own `Connection: keep-alive` wins against everything before that.

import http from 'node:http';
import { attempt, subscribe } from '../shared/guard.ts';
import { newestRequest } from './connections.ts';
import { endPolitelyAfterLastResponse } from './endConnections.ts';
import { type HttpSocket, type ResponseInternals, type ServerInternals, symbolOf } from './nodeInternals.ts';

/** Ends the connections of the servers that `applies` accepts with their next response, from `start` until `stop`. */
export class LastResponses {
  readonly #applies: (server: ServerInternals) => boolean;
  #active = false;
  #undo: (() => void)[] = [];

  constructor(applies: (server: ServerInternals) => boolean) {
    this.#applies = applies;
  }

  start(): void {
    if (this.#active) return;
    this.#active = true;
    this.#undo = [subscribe<RequestStart>('http.server.request.start', noteWhatFollows), this.#patch()];
  }

  stop(): void {
    this.#active = false;
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** Replaces `_storeHeader` for all responses, those in flight included. */
  #patch(): () => void {
    const prototype = http.ServerResponse.prototype as unknown as ResponseInternals;
    const own = Object.getOwnPropertyDescriptor(prototype, '_storeHeader');
    const original = prototype._storeHeader;
    const isLast = (response: ResponseInternals) => this.#active && this.#endsConnection(response);
    const patched = function (this: ResponseInternals, firstLine: string, headers: unknown): void {
      const rendered = attempt(
        () => (firstLine.startsWith('HTTP/1.1 1') || !isLast(this) ? headers : saysClose(this, headers)),
        headers,
      );
      Reflect.apply(original, this, [firstLine, rendered]);
    };
    prototype._storeHeader = patched;
    return () => {
      if (prototype._storeHeader !== patched) return; // Wrapped since: ours now only passes through.
      if (own === undefined) delete (prototype as Partial<ResponseInternals>)._storeHeader;
      else Object.defineProperty(prototype, '_storeHeader', own);
    };
  }

  /** Of pipelined requests only the last response may end the connection: it would cut off the ones behind it. */
  #endsConnection(response: ResponseInternals): boolean {
    const request = response.req;
    const socket = (request?.socket ?? response.socket) as HttpSocket | null;
    if (!socket?.server || !this.#applies(socket.server)) return false;
    // What an app says to the client of a tunnel is the beginning of that tunnel.
    if ((request as { upgrade?: boolean | null } | undefined)?.upgrade === true) return false;
    const newest = newestRequest(socket);
    if (newest !== undefined && newest !== request) return false;
    return !followed.has(request);
  }
}

interface RequestStart {
  request: http.IncomingMessage;
  socket: HttpSocket;
}

/** Requests with more behind them in the same packet, which Node has not parsed when an app answers at once. */
const followed = new WeakSet<object>();
/** How much of the packet that is being parsed belongs to the requests seen so far. */
const parsedBytes = new WeakMap<object, number>();

function noteWhatFollows({ request, socket }: RequestStart): void {
  const packet = socket.parser?.getCurrentBuffer?.();
  if (packet === undefined) return;
  const parsed = parsedBytes.get(socket);
  if (parsed === undefined) process.nextTick(() => parsedBytes.delete(socket));
  const end = packet.indexOf('\r\n\r\n', parsed ?? 0, 'latin1');
  if (end === -1 || request.headers['transfer-encoding'] !== undefined) return;
  const next = end + 4 + (Number(request.headers['content-length']) || 0);
  parsedBytes.set(socket, next);
  if (next < packet.length) followed.add(request);
}

/** The same headers with `Connection: close`, in the form in which `_storeHeader` takes them. */
function saysClose(response: ResponseInternals, headers: unknown): unknown {
  const socket = (response.req?.socket ?? response.socket) as HttpSocket;
  endPolitelyAfterLastResponse(socket);
  response.shouldKeepAlive = false;
  response._removedConnection = false;
  if (typeof headers !== 'object' || headers === null) return headers;
  if (isOutgoingHeaders(response, headers)) {
    const { setHeader, removeHeader } = http.OutgoingMessage.prototype;
    Reflect.apply(removeHeader, response, ['Keep-Alive']);
    Reflect.apply(setHeader, response, ['Connection', 'close']);
    return headers;
  }
  if (Array.isArray(headers)) {
    if (Array.isArray(headers[0]))
      return [...headers.filter(([name]: [unknown]) => !isConnectionHeader(name)), ['Connection', 'close']];
    const flat: unknown[] = [];
    for (let at = 0; at < headers.length; at += 2)
      if (!isConnectionHeader(headers[at])) flat.push(headers[at], headers[at + 1]);
    return headers.length % 2 === 0 ? [...flat, 'Connection', 'close'] : headers;
  }
  return {
    ...Object.fromEntries(Object.entries(headers).filter(([name]) => !isConnectionHeader(name))),
    Connection: 'close',
  };
}

/** Is this the response's own header store, whose entries are `[name, value]` (lib/_http_outgoing.js, kOutHeaders)? */
function isOutgoingHeaders(response: ResponseInternals, headers: object): boolean {
  const key = symbolOf(response, 'kOutHeaders');
  return key !== undefined && (response as unknown as Record<symbol, unknown>)[key] === headers;
}

function isConnectionHeader(name: unknown): boolean {
  return /^(connection|keep-alive)$/i.test(String(name));
}
