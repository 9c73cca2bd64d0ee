// Makes every HTTP/1 response end its connection, whatever header the app sets. It does so where Node renders the header, because
// an app's own `Connection: keep-alive` overrides everything before that.

import http from 'node:http';
import { attempt, subscribe } from '../shared/guard.ts';
import { newestRequest } from './connections.ts';
import { endPolitelyAfterLastResponse } from './endConnections.ts';
import { type HttpSocket, type ResponseInternals, type ServerInternals, symbolOf } from './nodeInternals.ts';

/** From `start` until `stop`, has the next response on each connection end it, for the servers that `applies` accepts. */
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

  /** Of several pipelined requests, only the last response may end the connection: an earlier one would cut the others off. */
  #endsConnection(response: ResponseInternals): boolean {
    const request = response.req;
    const socket = (request?.socket ?? response.socket) as HttpSocket | null;
    if (!socket?.server || !this.#applies(socket.server)) return false;
    // The response to an upgrade or a CONNECT begins a tunnel, which has to stay open.
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

/** Requests that are followed by more in the same packet. If the app answers at once, Node has not parsed those yet. */
const followed = new WeakSet<object>();
/** How many bytes of the packet that Node parses right now belong to the requests seen so far. */
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

/** The headers with `Connection: close`, in the form that `_storeHeader` takes. */
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
