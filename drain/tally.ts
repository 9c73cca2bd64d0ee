// The figures of a drain: what its clients saw of it, each request, stream and connection counted once.

import { type Connection, isOpaque, newestRequest } from './connections.ts';
import { type HttpSocket, type RequestInternals, requestOf, streamsOf } from './nodeInternals.ts';
import { asInUrl, requestPath } from './requestPath.ts';
import type { DrainResult, RequestLine } from './types.ts';

/** So many of the requests that were cut, or left, are named. */
export const NAMED_REQUESTS = 10;

export class Tally {
  #finished = 0;
  #cut = 0;
  #cutOpaque = 0;
  readonly #closed = new Set<object>();
  /** All that has been counted, so that nothing is counted twice. */
  readonly #counted = new WeakSet<object>();
  readonly #cutLines: RequestLine[] = [];

  /** A response is complete, or a tunnel or a raw connection ended by itself. */
  finish(it: object): void {
    if (this.#isNew(it)) this.#finished++;
  }

  /** An idle or long-lived connection, or an event stream, was ended politely. */
  close(it: object): void {
    if (this.#isNew(it)) this.#closed.add(it);
  }

  /** Not politely after all, or its parts are counted instead. */
  notClosed(it: object): void {
    this.#closed.delete(it);
  }

  /** A request was cut off; what counts as closed was not after all. */
  cut(it: object, line?: RequestLine): void {
    if (!this.#isNew(it) && !this.#closed.delete(it)) return;
    this.#cut++;
    if (line !== undefined && this.#cutLines.length < NAMED_REQUESTS) this.#cutLines.push(line);
  }

  /** A tunnel or a raw connection was cut off: only its two ends know whether they were done. */
  cutOpaque(it: object, line: RequestLine): void {
    if (this.#counted.has(it)) return;
    this.cut(it, line);
    this.#cutOpaque++;
  }

  /** What was ended politely has not reached its client whole. */
  cutIfClosed(it: object): void {
    if (this.#closed.has(it)) this.cut(it);
  }

  result(): DrainResult {
    return {
      finished: this.#finished,
      closed: this.#closed.size,
      cut: this.#cut,
      ...(this.#cutLines.length > 0 ? { cutRequests: this.#cutLines } : {}),
      ...(this.#cutOpaque > 0 ? { cutOpaque: this.#cutOpaque } : {}),
    };
  }

  #isNew(it: object): boolean {
    if (this.#counted.has(it)) return false;
    this.#counted.add(it);
    return true;
  }
}

/** What is unfinished on a connection, as an operator recognises it. */
export function unfinishedOn(connection: Connection): RequestLine[] {
  const { socket, activity } = connection;
  if (isOpaque(activity)) return [opaqueLine(connection)];
  const requests =
    activity.is === 'http2'
      ? streamsOf(activity.session).map(requestOf)
      : [(activity.is === 'busy' && activity.response?.req) || newestRequest(socket)];
  return requests.map(requestLine).filter((line) => line !== undefined);
}

/** The request's query may hold secrets and is left out. */
export function requestLine(request: RequestInternals | undefined): RequestLine | undefined {
  const { method, url, authority } = request ?? {};
  const path = url ?? (method === 'CONNECT' ? authority : undefined);
  if (method === undefined || path === undefined) return undefined;
  return { method: asInUrl(method), path: requestPath(path) };
}

/** Node forgets the request of a tunnel when it begins: what can be told is who is at its other end. */
export function opaqueLine({ socket, activity }: Connection): RequestLine {
  const line = requestLine(newestRequest(socket));
  if (line !== undefined) return line.method === 'CONNECT' ? line : { ...line, path: `${line.path} (upgrade)` };
  return { method: activity.is === 'raw' ? 'TCP' : 'CONNECT or upgrade', path: `from ${peerOf(socket)}` };
}

/** A request whose head has not come whole has no name yet. */
export function halfRequestLine(socket: HttpSocket): RequestLine {
  return { method: 'half a request', path: `from ${peerOf(socket)}` };
}

function peerOf({ remoteAddress, remotePort }: HttpSocket): string {
  if (remoteAddress === undefined) return 'a Unix socket';
  const address = remoteAddress.replace(/^::ffff:(?=[\d.]+$)/, '');
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}
