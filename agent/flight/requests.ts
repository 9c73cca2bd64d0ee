// Counts the requests that this process answers. It runs twice in each request, so it makes no object there, and a failure in it would
// end the app.
import { channel } from 'node:diagnostics_channel';
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { listenUnseen } from '../realm/emitter.ts';

/** Totals since the start, as in contract/figures.ts. */
export interface RequestCounts {
  requests: number;
  clientErrors: number;
  serverErrors: number;
  aborted: number;
  requestMs: number;
  inFlight: number;
}

export interface RequestCounter {
  readonly counts: Readonly<RequestCounts>;
  stop(): void;
}

/** When its request began, on the clock of performance.now(). */
const BEGAN = Symbol('pm2-ops.began');

type Begun<T> = T & { [BEGAN]?: number | undefined };

/**
 * Counts from now on. Requests of HTTP/2 are counted where Node tells of streams (diagnostics channel `http2.server.stream.start`,
 * Node 24.2 and 22.17), others from their `http.server.request.start` to the `close` of their response, which comes in any case.
 */
export function countRequests(): RequestCounter {
  const counts: RequestCounts = {
    requests: 0,
    clientErrors: 0,
    serverErrors: 0,
    aborted: 0,
    requestMs: 0,
    inFlight: 0,
  };
  let stopped = false;

  function begin(it: Begun<object>): void {
    it[BEGAN] = performance.now();
    counts.inFlight += 1;
  }

  function end(it: Begun<object>, status: number, whole: boolean): void {
    const began = it[BEGAN];
    if (stopped || began === undefined) return;
    it[BEGAN] = undefined;
    counts.inFlight -= 1;
    counts.requests += 1;
    counts.requestMs += performance.now() - began;
    if (!whole) counts.aborted += 1;
    else if (status >= 500) counts.serverErrors += 1;
    else if (status >= 400) counts.clientErrors += 1;
  }

  /** One function for all responses. */
  function onClose(this: ServerResponse): void {
    try {
      end(this, this.statusCode, this.writableFinished);
    } catch {
      // The app has put something else in the place of a response.
    }
  }

  const onRequest = (message: unknown) => {
    try {
      const { response } = message as { response: Begun<ServerResponse> };
      begin(response);
      listenUnseen(response, 'close', onClose);
    } catch {
      // As above.
    }
  };
  const onStream = (message: unknown) => {
    try {
      begin((message as { stream: object }).stream);
    } catch {
      // As above.
    }
  };
  const onStreamClosed = (message: unknown) => {
    try {
      const { stream } = message as { stream: ServerHttp2Stream };
      end(stream, Number(stream.sentHeaders?.[':status']), !stream.aborted && stream.rstCode === 0);
    } catch {
      // As above.
    }
  };
  const subscriptions = [
    [channel('http.server.request.start'), onRequest],
    [channel('http2.server.stream.start'), onStream],
    [channel('http2.server.stream.close'), onStreamClosed],
  ] as const;
  for (const [from, listener] of subscriptions) from.subscribe(listener);

  return {
    counts,
    stop() {
      stopped = true;
      for (const [from, listener] of subscriptions) from.unsubscribe(listener);
    },
  };
}
