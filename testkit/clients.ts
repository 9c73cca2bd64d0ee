// Clients of every kind. Each does one thing over and over, as a well-behaved client would, and never retries: what
// fails is counted by kind.

import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

export interface Tally {
  done: number;
  failures: Record<string, number>;
  /** pids that answered. */
  servedBy: Set<string>;
}

export interface Client {
  tally: Tally;
  stop(): Promise<Tally>;
}

/** Repeats `once` until it is stopped; what it throws is a failure. */
export function repeat(once: (tally: Tally) => Promise<void>, pauseMs = 5): Client {
  const tally: Tally = { done: 0, failures: {}, servedBy: new Set() };
  let stopping = false;
  const running = (async () => {
    while (!stopping) {
      try {
        await once(tally);
        tally.done++;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const kind = message === 'socket hang up' ? 'hang up' : (code ?? message);
        tally.failures[kind] = (tally.failures[kind] ?? 0) + 1;
        await sleep(20);
      }
      await sleep(pauseMs);
    }
  })();
  return {
    tally,
    async stop() {
      stopping = true;
      await running;
      return tally;
    },
  };
}

/** Without an answer by then a client gives up. A connection that PM2 was handing to a worker that died in
 * that very moment stays open without an answer. */
const ANSWER_MS = 15_000;

interface Request {
  port: number;
  path: string;
  method?: string;
  headers?: http.OutgoingHttpHeaders;
  secure?: boolean;
  /** A client that comes from elsewhere: any address in 127.0.0.0/8. */
  localAddress?: string;
  agent: http.Agent;
  /** Writes the request's body and ends it. */
  send?: (request: http.ClientRequest) => void | Promise<void>;
  timeoutMs?: number;
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** One request; rejects unless the whole answer came, with a status below 500. */
export function ask({ secure = false, send, timeoutMs = ANSWER_MS, ...options }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = (secure ? https : http).request({ host: '127.0.0.1', rejectUnauthorized: false, ...options });
    const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs);
    request.on('close', () => clearTimeout(timer));
    request.on('error', reject);
    request.on('response', (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('error', () => reject(new Error('cut short')));
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        if (status >= 500) reject(new Error(`status ${status}`));
        else resolve({ status, headers: response.headers, body });
      });
    });
    Promise.resolve(send ? send(request) : request.end()).catch(reject);
  });
}

/** Requests one after the other over a kept connection. */
export function requests(
  request: Omit<Request, 'agent'>,
  check: (answer: Answer) => boolean = () => true,
  pauseMs = 5,
): Client {
  const agent = new (request.secure ? https : http).Agent({ keepAlive: true, maxSockets: 1 });
  return repeat(async ({ servedBy }) => {
    const answer = await ask({ ...request, agent });
    if (!check(answer)) throw new Error(`unexpected answer: ${answer.status} ${answer.body.slice(0, 80)}`);
    if (answer.headers['x-pid']) servedBy.add(String(answer.headers['x-pid']));
  }, pauseMs);
}

/** 1 MB in 16 parts over about `ms`. */
export async function uploadSlowly(request: http.ClientRequest, ms: number): Promise<void> {
  for (let part = 0; part < 16 && !request.destroyed; part++) {
    request.write(Buffer.alloc(65_536, 'u'));
    await sleep(ms / 16);
  }
  request.end();
}

/** Waits for the server's `100 Continue` before it sends its body. */
export function sendAfterContinue(request: http.ClientRequest): void {
  request.flushHeaders();
  request.once('continue', () => request.end('x'.repeat(1_000)));
}

/** Several requests in one write, on a connection that is kept as long as the server keeps it. */
export function pipelined(port: number, count: number): Client {
  let socket: net.Socket | undefined;
  return repeat(async () => {
    // One that has come to its end meanwhile is no use, as any client can tell.
    const kept = socket && !socket.destroyed ? socket : await connect(port);
    // Kept again below, when all is well.
    socket = undefined;
    const texts = await batch(kept, count);
    const closing = texts.findIndex((text) => /^connection: close/im.test(text));
    if (closing >= 0 && closing < count - 1) throw new Error(`answer ${closing + 1} of ${count} said close`);
    texts.forEach((text, n) => {
      if (!new RegExp(`pid \\d+ ${n}\n`).test(text)) throw new Error(`answer ${n} is ${JSON.stringify(text)}`);
    });
    if (closing < 0) socket = kept;
    else kept.destroy();
  });
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

function batch(socket: net.Socket, count: number): Promise<string[]> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => lost('timeout'), ANSWER_MS);
    const settle = () => {
      clearTimeout(timer);
      for (const event of ['data', 'end', 'error']) socket.removeAllListeners(event);
      // Between two batches the server may end the connection.
      socket.on('error', () => {});
    };
    const lost = (what: string) => {
      settle();
      socket.destroy();
      reject(new Error(`pipelined: ${what} after ${text.split('HTTP/1.1 ').length - 1} of ${count}`));
    };
    socket.on('data', (data) => {
      text += data.toString('latin1');
      const answers = text.split('HTTP/1.1 ').slice(1);
      if (answers.length < count || !/pid \d+ \d+\n/.test(answers[count - 1] ?? '')) return;
      settle();
      resolve(answers);
    });
    socket.on('end', () => lost('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => lost(String(error.code)));
    const all = Array.from({ length: count }, (_, n) => `GET /?ms=${10 - n}&n=${n} HTTP/1.1\r\nhost: app\r\n\r\n`);
    socket.write(all.join(''));
  });
}

/** Requests over HTTP/2 sessions; a session that got GOAWAY is not used for another request. */
export function http2Requests(url: string, path: string): Client {
  let session: http2.ClientHttp2Session | undefined;
  const client = repeat(async ({ servedBy }) => {
    session ??= await open(url, (gone) => {
      if (session === gone) session = undefined;
    });
    const { pid } = await stream(session, path);
    servedBy.add(pid);
  });
  return {
    tally: client.tally,
    async stop() {
      const tally = await client.stop();
      session?.close();
      return tally;
    },
  };
}

function open(url: string, onGoaway: (session: http2.ClientHttp2Session) => void): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(url, { rejectUnauthorized: false }, () => resolve(session));
    session.setTimeout(ANSWER_MS, () => session.destroy(new Error('timeout')));
    session.once('error', reject);
    for (const event of ['goaway', 'close']) session.once(event, () => onGoaway(session));
  });
}

function stream(session: http2.ClientHttp2Session, path: string): Promise<{ pid: string }> {
  return new Promise((resolve, reject) => {
    const request = session.request({ ':path': path });
    let pid = '';
    request.on('response', (headers) => {
      pid = String(headers['x-pid']);
    });
    request.on('error', reject);
    let ended = false;
    request.resume().on('end', () => {
      ended = true;
    });
    request.on('close', () => {
      if (ended && request.rstCode === 0 && pid !== '') resolve({ pid });
      else reject(new Error(`HTTP/2 stream closed with ${request.rstCode}`));
    });
  });
}

/** Reads server-sent events; every time the stream ends cleanly it opens another one at once, on the same connection if
 * that is still open. */
export function events(port: number): Client & { abort(): void } {
  const abort = new AbortController();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const client = repeat(async () => {
    try {
      // A response that ends early without its last chunk is an error in Node's client.
      await ask({
        port,
        path: '/events',
        headers: { accept: 'text/event-stream' },
        agent,
        timeoutMs: 120_000,
        send: (request) => endOnAbort(request, abort.signal),
      });
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    }
  }, 0);
  return { ...client, abort: () => abort.abort() };
}

function endOnAbort(request: http.ClientRequest, signal: AbortSignal): void {
  const abort = () => request.destroy();
  signal.addEventListener('abort', abort, { once: true });
  request.once('close', () => signal.removeEventListener('abort', abort));
  if (signal.aborted) request.destroy();
  else request.end();
}

export interface Chat {
  acked: string[];
  closeCodes: number[];
  failures: string[];
  stop(): Promise<void>;
}

/** Sends a message every few milliseconds, and connects again when the server says goodbye. */
export function chat(url: string, name: string, perMessageDeflate: boolean): Chat {
  const said: Chat = { acked: [], closeCodes: [], failures: [], stop };
  let stopping = false;
  let count = 0;
  const running = (async () => {
    while (!stopping) await connection();
  })();
  return said;

  function stop(): Promise<void> {
    stopping = true;
    return running;
  }

  function connection(): Promise<void> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url, { perMessageDeflate, handshakeTimeout: ANSWER_MS });
      const texts = new Map<string, string>();
      const timer = setInterval(() => {
        if (socket.readyState !== WebSocket.OPEN) return;
        if (stopping) {
          socket.close(1000);
          return;
        }
        const id = `${name}-${++count}`;
        const text = `${id} `.repeat(1 + ((count * 97) % 400));
        texts.set(id, text);
        socket.send(JSON.stringify({ id, text }));
      }, 10);
      socket.on('message', (data) => {
        try {
          const { ack, text } = JSON.parse(String(data)) as { ack: string; text: string };
          if (texts.get(ack) === text) said.acked.push(ack);
          else said.failures.push(`message ${ack} came back damaged`);
        } catch {
          said.failures.push('half a message');
        }
      });
      socket.on('error', (error) => said.failures.push(error.message));
      socket.on('close', (code) => {
        clearInterval(timer);
        if (!stopping) said.closeCodes.push(code);
        resolve();
      });
    });
  }
}
