// The figures of a drain: what clients noticed. Each request, stream and connection counts once.

import { type Connection, isOpaque, newestRequest } from './connections.ts';
import { type HttpSocket, type RequestInternals, requestOf, streamsOf } from './nodeInternals.ts';
import { asInUrl, requestPath } from './requestPath.ts';
import type { DrainResult, RequestLine } from './types.ts';

/** How many of the requests that were cut, or left open, a result names. */
export const NAMED_REQUESTS = 10;

export class Tally {
  #finished = 0;
  #cut = 0;
  #cutOpaque = 0;
  readonly #closed = new Set<object>();
  /** Everything that was counted, so that nothing is counted twice. */
  readonly #counted = new WeakSet<object>();
  readonly #cutLines: RequestLine[] = [];

  /** Counts a complete response, or a tunnel or a raw connection that has ended by itself. */
  finish(it: object): void {
    if (this.#isNew(it)) this.#finished++;
  }

  /** Counts an idle or long-lived connection, or an event stream, that was ended politely. */
  close(it: object): void {
    if (this.#isNew(it)) this.#closed.add(it);
  }

  /** Takes back a `close`: it was not ended politely after all, or its parts count instead. */
  notClosed(it: object): void {
    this.#closed.delete(it);
  }

  /** Counts a request that was cut off, and takes back its `close` if it had one. */
  cut(it: object, line?: RequestLine): void {
    if (!this.#isNew(it) && !this.#closed.delete(it)) return;
    this.#cut++;
    if (line !== undefined && this.#cutLines.length < NAMED_REQUESTS) this.#cutLines.push(line);
  }

  /** Counts a tunnel or a raw connection that was cut off. Only its two ends know whether they were done. */
  cutOpaque(it: object, line: RequestLine): void {
    if (this.#counted.has(it)) return;
    this.cut(it, line);
    this.#cutOpaque++;
  }

  /** Counts as cut what was ended politely but has not reached its client completely. */
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

/** A request for a log line, without its query, which may contain secrets. */
export function requestLine(request: RequestInternals | undefined): RequestLine | undefined {
  const { method, url, authority } = request ?? {};
  const path = url ?? (method === 'CONNECT' ? authority : undefined);
  if (method === undefined || path === undefined) return undefined;
  return { method: asInUrl(method), path: requestPath(path) };
}

/** A tunnel or a raw connection for a log line. Node forgets the request of a tunnel, so this names the client's address. */
export function opaqueLine({ socket, activity }: Connection): RequestLine {
  const line = requestLine(newestRequest(socket));
  if (line !== undefined) return line.method === 'CONNECT' ? line : { ...line, path: `${line.path} (upgrade)` };
  return { method: activity.is === 'raw' ? 'TCP' : 'CONNECT or upgrade', path: `from ${peerOf(socket)}` };
}

/** A request whose head has not arrived completely, for a log line. */
export function halfRequestLine(socket: HttpSocket): RequestLine {
  return { method: 'half a request', path: `from ${peerOf(socket)}` };
}

function peerOf({ remoteAddress, remotePort }: HttpSocket): string {
  if (remoteAddress === undefined) return 'a Unix socket';
  const address = remoteAddress.replace(/^::ffff:(?=[\d.]+$)/, '');
  return address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}`;
}
