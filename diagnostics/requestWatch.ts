// Watches the requests of this process: counts them, and hands out one that is alive where a full collection needs it.
// A collection between two requests discards the shapes of their objects (V8's maps), and with them all code that V8
// optimised for those shapes. Compiling it anew took seven times the CPU of the collection itself (Node 20; V8's
// --trace-deopt calls it "weak objects").
import { subscribe } from '../shared/guard.ts';

export interface RequestWatch {
  /** Requests to servers of this process so far; HTTP/2 too where Node reports it (from 22 on). */
  count(): number;
  /** Resolves to the objects of the next request that is answered. */
  next(): Promise<object>;
  stop(): void;
}

/** Starts to count; `stop` ends it. */
export function watchRequests(): RequestWatch {
  let seen = 0;
  let waiting: ((request: object) => void)[] = [];
  const started = () => {
    seen += 1;
  };
  // One turn later: within the event the app has not given its objects their last shape yet.
  const answered = (request: object) => {
    for (const resolve of waiting) setImmediate(resolve, { ...request });
    waiting = [];
  };
  const stops = [
    subscribe('http.server.request.start', started),
    subscribe('http2.server.stream.start', started),
    subscribe('http.server.response.finish', answered),
    subscribe('http2.server.stream.start', answered),
  ];
  return {
    count: () => seen,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    stop() {
      for (const stop of stops) stop();
      waiting = [];
    },
  };
}
