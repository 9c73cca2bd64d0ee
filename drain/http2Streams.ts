// Watches the streams of HTTP/2 sessions, because not every version of Node has a diagnostics channel for a finished response.

import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { attempt, guarded } from '../shared/guard.ts';
import { type RequestInternals, requestOf, streamsOf } from './nodeInternals.ts';

/** Watches sessions, and knows the requests of the streams that begin from then on. */
export class Http2Streams {
  readonly #onFinish: (stream: ServerHttp2Stream) => void;
  readonly #requests = new WeakMap<object, RequestInternals>();
  readonly #watched = new WeakSet<object>();
  readonly #undo: (() => void)[] = [];
  #disposed = false;

  /** @param onFinish called when a stream has ended completely */
  constructor(onFinish: (stream: ServerHttp2Stream) => void) {
    this.#onFinish = onFinish;
  }

  /** Watches the open streams of this session, and the later ones. */
  watch(session: ServerHttp2Session): void {
    if (this.#watched.has(session)) return;
    this.#watched.add(session);
    const onStream = guarded((stream: ServerHttp2Stream, headers?: IncomingHttpHeaders) => {
      if (headers !== undefined) this.#requests.set(stream, requestIn(headers));
      stream.once(
        'close',
        guarded(() => {
          if (!this.#disposed && stream.rstCode === 0) this.#onFinish(stream);
        }),
      );
    });
    session.on('stream', onStream);
    this.#undo.push(() => session.off('stream', onStream));
    for (const stream of attempt(() => streamsOf(session), [])) onStream(stream);
  }

  /** The request of a stream; undefined if it is not known. */
  requestOf(stream: ServerHttp2Stream): RequestInternals | undefined {
    return this.#requests.get(stream) ?? requestOf(stream);
  }

  /** Removes all listeners. */
  dispose(): void {
    this.#disposed = true;
    for (const undo of this.#undo.splice(0)) attempt(undo, undefined);
  }
}

function requestIn(headers: IncomingHttpHeaders): RequestInternals {
  const { ':method': method, ':path': url, ':authority': authority } = headers;
  return { method, url, authority, headers };
}
