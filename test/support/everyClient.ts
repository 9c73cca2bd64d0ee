// A client of every kind at the same time, against an app that answers as test/apps/every-answer.cjs does.

import { readFileSync } from 'node:fs';
import {
  type Client,
  chat,
  events,
  http2Requests,
  pipelined,
  requests,
  sendAfterContinue,
  uploadSlowly,
} from '../../testkit/clients.ts';
import { type Load, startLoad } from '../../testkit/load.ts';

export interface EveryClientOptions {
  ports: { http: number; https: number; http2: number; h2c: number };
  /** File with a line for every WebSocket message that the app has processed. */
  acked: string;
}

/** What the clients saw. */
export interface Seen {
  /** Answers of each kind that were complete and right. */
  done: Record<string, number>;
  /** By the kind of client: what failed, and how often. Empty when nothing was lost. */
  failures: Record<string, Record<string, number>>;
  /** The codes with which WebSockets were closed. */
  closeCodes: number[];
  /** WebSocket messages that came back, though the app has not processed them: none, ever. */
  invented: string[];
}

export interface EveryClient {
  /** Requests of the busiest kind so far. */
  counts: Load['counts'];
  stop(): Promise<Seen>;
}

const BUSY = '64 keep-alive connections';

/** Starts them at once. */
export function startEveryClient({ ports, acked }: EveryClientOptions): EveryClient {
  const { http: port } = ports;
  const load = startLoad({ port, clients: 64, path: '/?ms=5', pauseMs: [10, 60] });
  const clients = clientsOf(ports);
  const streams = Array.from({ length: 4 }, () => events(port));
  const chats = [
    ...[1, 2, 3].map((n) => chat(`ws://127.0.0.1:${port}/ws`, `plain-${n}`, false)),
    ...[1, 2, 3].map((n) => chat(`ws://127.0.0.1:${port}/ws-deflate`, `deflate-${n}`, true)),
  ];

  async function stop(): Promise<Seen> {
    for (const stream of streams) stream.abort();
    const seen: Seen = { done: {}, failures: {}, closeCodes: [], invented: [] };
    const note = (kind: string, done: number, failures: Record<string, number>) => {
      seen.done[kind] = (seen.done[kind] ?? 0) + done;
      for (const [what, count] of Object.entries(failures)) {
        seen.failures[kind] ??= {};
        seen.failures[kind][what] = (seen.failures[kind][what] ?? 0) + count;
      }
    };
    const { requests: asked, failed, failures } = await load.stop();
    note(BUSY, asked - failed, failures);
    for (const stream of streams) {
      const { done, failures } = await stream.stop();
      note('server-sent events', done, failures);
    }
    for (const said of chats) {
      await said.stop();
      for (const failure of said.failures) note('WebSocket', 0, { [failure]: 1 });
      note('WebSocket', said.acked.length, {});
      seen.closeCodes.push(...said.closeCodes);
    }
    const processed = new Set(readFileSync(acked, 'utf8').match(/^\S+/gm));
    seen.invented = chats.flatMap((said) => said.acked).filter((id) => !processed.has(id));
    for (const [kind, client] of Object.entries(clients)) {
      const { done, failures } = await client.stop();
      note(kind, done, failures);
    }
    return seen;
  }

  return { counts: () => load.counts(), stop };
}

function clientsOf({ http: port, ...ports }: EveryClientOptions['ports']): Record<string, Client> {
  return {
    'slow upload of 1 MB': requests(
      { port, path: '/upload', method: 'POST', send: (request) => uploadSlowly(request, 800) },
      ({ body }) => body === '1048576 bytes',
    ),
    'download over 2 s': requests({ port, path: '/download?ms=2000' }, ({ body }) => body.length === 100_000),
    'long poll of 1.5 s': requests({ port, path: '/?ms=1500' }),
    'pipelined requests': pipelined(port, 5),
    HTTPS: requests({ port: ports.https, path: '/?ms=5', secure: true }),
    'HTTPS download': requests({ port: ports.https, path: '/download?ms=500', secure: true }),
    'HTTP/2 over TLS': http2Requests(`https://127.0.0.1:${ports.http2}`, '/?ms=5'),
    'HTTP/2 over TLS, long': http2Requests(`https://127.0.0.1:${ports.http2}`, '/download?ms=1000'),
    h2c: http2Requests(`http://127.0.0.1:${ports.h2c}`, '/?ms=5'),
    'Expect: 100-continue': requests(
      { port, path: '/upload', method: 'POST', headers: { expect: '100-continue' }, send: sendAfterContinue },
      ({ body }) => body === '1000 bytes',
    ),
    HEAD: requests({ port, path: '/?ms=5', method: 'HEAD' }, ({ status, body }) => status === 200 && body === ''),
    204: requests({ port, path: '/empty?status=204&ms=5' }, ({ status }) => status === 204),
    304: requests({ port, path: '/empty?status=304&ms=5' }, ({ status }) => status === 304),
  };
}
