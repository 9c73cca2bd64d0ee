// The requests of this process: how many there are, and one of them alive where a full collection needs it. A collection
// between two requests takes the shapes of their objects (V8's maps) along, and with them all code that was optimised for
// those: compiling it anew took seven times the collection's own CPU (Node 20; V8's --trace-deopt calls it "weak objects").
import { subscribe } from '../drain/guard.ts';

export interface Exchanges {
  /** Requests to servers of this process so far, HTTP/2 too where Node tells (from 22 on). */
  count(): number;
  /** Resolves when the next one has been answered, to its objects. */
  next(): Promise<object>;
  stop(): void;
}

export function watchExchanges(): Exchanges {
  let seen = 0;
  let waiting: ((exchange: object) => void)[] = [];
  const started = () => {
    seen += 1;
  };
  // Not within what the app does at this moment: its objects have their last shape a turn later.
  const answered = (exchange: object) => {
    for (const resolve of waiting) setImmediate(resolve, { ...exchange });
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
