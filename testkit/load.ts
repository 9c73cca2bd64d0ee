// HTTP load as real clients make it: each on a keep-alive connection of its own, none of them ever retries.

import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from './wait-for.ts';

export interface LoadOptions {
  port?: number;
  host?: string;
  /** Unix socket instead of host and port. */
  socketPath?: string;
  path?: string;
  method?: string;
  body?: string;
  /** Each client has one connection and one request at a time. */
  clients?: number;
  /** Between an answer and the client's next request: milliseconds, or a range to draw from. */
  pauseMs?: number | [number, number];
  /** A request without its whole answer by then has failed. */
  timeoutMs?: number;
  keepAlive?: boolean;
  onFailure?: (kind: string) => void;
}

/** What the clients saw. */
export interface LoadStats {
  requests: number;
  failed: number;
  /** `ECONNRESET`, `ECONNREFUSED`, `hang up`, `cut short`, `timeout`, `status 503`, … → how often. */
  failures: Record<string, number>;
  /** pid (from the header `x-pid`, or `"pid":123` or `pid 123` in the body) → requests it answered. */
  servedBy: Record<string, number>;
  connections: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
  seconds: number;
}

export interface Load {
  /** The two figures that cost nothing to ask for often. */
  counts(): { requests: number; failed: number };
  /** What happened since the start, or since the last `phase`. */
  stats(): LoadStats;
  /** Closes the books and opens new ones: what happened up to now. */
  phase(): LoadStats;
  /** No new requests; waits for those in flight. What happened in the last phase. */
  stop(): Promise<LoadStats>;
}

/** After this long without any answer the clients stop, so that a failed test can end. */
const GIVE_UP_MS = 30_000;

class Books {
  requests = 0;
  failed = 0;
  connections = 0;
  readonly failures: Record<string, number> = {};
  readonly servedBy: Record<string, number> = {};
  readonly latencies: number[] = [];
  readonly #started = performance.now();

  fail(kind: string): void {
    this.failed += 1;
    this.failures[kind] = (this.failures[kind] ?? 0) + 1;
  }

  stats(): LoadStats {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    const at = (share: number) => Math.round((sorted[Math.floor(share * (sorted.length - 1))] ?? 0) * 10) / 10;
    return {
      requests: this.requests,
      failed: this.failed,
      failures: { ...this.failures },
      servedBy: { ...this.servedBy },
      connections: this.connections,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      maxMs: at(1),
      seconds: Math.round(performance.now() - this.#started) / 1000,
    };
  }
}

/** Starts the clients at once. */
export function startLoad(options: LoadOptions): Load {
  let books = new Books();
  let stopping = false;
  let answeredAt = performance.now();
  const { clients = 32, keepAlive = true, pauseMs = 0, onFailure } = options;
  const pause = () => (typeof pauseMs === 'number' ? pauseMs : pauseMs[0] + Math.random() * (pauseMs[1] - pauseMs[0]));

  const client = async () => {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!stopping && performance.now() - answeredAt < GIVE_UP_MS) {
      const started = performance.now();
      const answer = await oneRequest(options, agent);
      books.requests += 1;
      books.latencies.push(performance.now() - started);
      if (answer.newConnection) books.connections += 1;
      if (answer.by) books.servedBy[answer.by] = (books.servedBy[answer.by] ?? 0) + 1;
      if (!answer.failure) answeredAt = performance.now();
      else {
        books.fail(answer.failure);
        onFailure?.(answer.failure);
      }
      // A refused connection fails within microseconds: without a breath the clients would only count refusals.
      const ms = answer.failure === 'ECONNREFUSED' ? Math.max(10, pause()) : pause();
      if (ms > 0 && !stopping) await sleep(ms);
    }
    agent.destroy();
  };
  const all = Promise.all(Array.from({ length: clients }, client));

  return {
    counts: () => ({ requests: books.requests, failed: books.failed }),
    stats: () => books.stats(),
    phase() {
      const stats = books.stats();
      books = new Books();
      return stats;
    },
    async stop() {
      stopping = true;
      await all;
      return books.stats();
    },
  };
}

interface Answer {
  failure?: string;
  by?: string;
  newConnection: boolean;
}

function oneRequest(options: LoadOptions, agent: Agent): Promise<Answer> {
  const { port, host = '127.0.0.1', socketPath, path = '/', method = 'GET', body, timeoutMs = 10_000 } = options;
  return new Promise((resolve) => {
    const where = socketPath ? { socketPath } : { host, port };
    const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const req = request({ ...where, path, method, agent, headers });
    const end = (answer: Omit<Answer, 'newConnection'>) => {
      clearTimeout(deadline);
      resolve({ ...answer, newConnection: !req.reusedSocket });
    };
    const deadline = setTimeout(() => {
      end({ failure: 'timeout' });
      req.destroy();
    }, timeoutMs);
    req.on('error', (error: NodeJS.ErrnoException) =>
      end({ failure: error.message === 'socket hang up' ? 'hang up' : (error.code ?? error.message) }),
    );
    req.on('response', (res: IncomingMessage) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (part: string) => {
        if (text.length < 4096) text += part;
      });
      res.on('error', () => end({ failure: 'cut short' }));
      res.on('end', () => {
        const by = String(res.headers['x-pid'] ?? '') || text.match(/"?pid"?:? ?(\d+)/)?.[1];
        const failure = (res.statusCode ?? 0) >= 500 ? { failure: `status ${res.statusCode}` } : {};
        end({ ...failure, ...(by ? { by } : {}) });
      });
    });
    req.end(body);
  });
}

interface Where {
  port?: number;
  host?: string;
  socketPath?: string;
  path?: string;
  headers?: Record<string, string>;
}

export interface Got {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** A request that the app has, and its answer to come. The app says 102 where the path asks for it (`received`). */
export async function getUnderWay(where: Where): Promise<{ answer: Promise<Got> }> {
  let onReceived = () => {};
  const received = new Promise<void>((resolve) => {
    onReceived = resolve;
  });
  const answer = get(where, 30_000, onReceived);
  await Promise.race([received, answer]);
  return { answer };
}

/** One request on a fresh connection: status, headers and body; rejects as any client would. */
export function get(where: Where, timeoutMs = 10_000, onReceived = () => {}): Promise<Got> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', ...where, agent: false }, (res) => {
      let body = '';
      res.setEncoding('utf8');
      res.on('data', (part: string) => {
        body += part;
      });
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body }));
    });
    req.setTimeout(timeoutMs, () => req.destroy(new Error(`no answer in ${timeoutMs} ms`)));
    req.on('information', onReceived);
    req.on('error', reject);
    req.end();
  });
}

/** Waits for the first answer: PM2 calls a process online before it listens. */
export async function untilServing(where: Parameters<typeof get>[0], timeoutMs = 10_000): Promise<string> {
  const { body } = await waitFor(() => get(where), { what: `an answer from ${JSON.stringify(where)}`, timeoutMs });
  return body;
}
