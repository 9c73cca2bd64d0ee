// Clients of every kind that count for themselves what a drain did to them, to be compared with what the drain says. They
// talk to test/apps/every-stream.cjs and never try twice.

import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { waitFor, within } from '../../testkit/wait-for.ts';

/** What a client saw of a request, a stream or a connection. */
export type Outcome = 'finished' | 'closed' | 'cut';

export interface CountingClient {
  kind: string;
  /** Of the process that it talks to. */
  pid: number;
  /** So far. */
  outcomes: Outcome[];
  /** Bytes that the other end has not sent. */
  strange: string;
  /** Its connection is. */
  isOpen: boolean;
  /** All that it waits for has ended. */
  over: Promise<unknown>;
  /** Goes away without a word. */
  leave(): void;
}

export interface Ports {
  http: number;
  h2c: number;
  raw: number;
  /** Of `startFarEnd`. */
  far: number;
  farWs: number;
}

/** `{ finished, closed, cut }` as these clients saw it. */
export function figuresOf(clients: CountingClient[]): Record<Outcome, number> {
  const figures = { finished: 0, closed: 0, cut: 0 };
  for (const outcome of clients.flatMap(({ outcomes }) => outcomes)) figures[outcome]++;
  return figures;
}

/** By kind, for the message of an assertion. */
export function outcomesOf(clients: CountingClient[]): string {
  return clients.map(({ kind, outcomes }) => `${kind}: ${outcomes.join(' ')}`).join('\n');
}

/** What the app passes tunnels and WebSockets on to: sends `x` all the time and, after the milliseconds that it was told, END. */
export async function startFarEnd(t: Pick<TestContext, 'after'>): Promise<{ far: number; farWs: number }> {
  const open = new Set<net.Socket>();
  const plain = net.createServer((socket) => {
    open.add(socket);
    socket.on('error', () => {});
    socket.once('data', (ms) => {
      const ticking = setInterval(() => socket.write('x'), 20);
      const ending = setTimeout(() => {
        clearInterval(ticking);
        socket.end('END');
      }, Number(ms));
      socket.on('close', () => {
        clearInterval(ticking);
        clearTimeout(ending);
      });
    });
  });
  const websockets = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  websockets.on('connection', (socket, request) => {
    socket.on('error', () => {});
    const ms = Number(new URL(request.url ?? '', 'http://x').searchParams.get('ms'));
    socket.send(`pid ${request.headers['x-pid']};`);
    // Half a message at a time, so that something of ours would be in the middle of one.
    const ticking = setInterval(() => socket.send('x', { fin: false }), 20);
    const ending = setTimeout(() => {
      clearInterval(ticking);
      socket.send('END', { fin: true });
      socket.close(1000);
    }, ms);
    socket.on('close', () => {
      clearInterval(ticking);
      clearTimeout(ending);
    });
  });
  await new Promise<void>((ready) => plain.listen(0, '127.0.0.1', ready));
  t.after(() => {
    for (const socket of open) socket.destroy();
    for (const socket of websockets.clients) socket.terminate();
    websockets.close();
    plain.close();
  });
  return { far: (plain.address() as AddressInfo).port, farWs: (websockets.address() as AddressInfo).port };
}

/** A connection whose process is known, and what came on it since. */
class Line {
  received = '';
  clean = false;
  readonly closed: Promise<void>;
  pid = 0;

  constructor(readonly socket: net.Socket) {
    socket.setEncoding('latin1').on('data', (text: string) => {
      this.received += text;
    });
    socket.on('end', () => {
      this.clean = true;
    });
    socket.on('error', () => {
      this.clean = false;
    });
    this.closed = new Promise((done) => socket.once('close', () => done()));
  }

  static async to(port: number, ask = true): Promise<Line> {
    const line = new Line(net.connect({ port, host: '127.0.0.1' }));
    if (ask) line.socket.write('GET /pid HTTP/1.1\r\nHost: x\r\n\r\n');
    await line.until(/pid (\d+);/);
    line.pid = Number(/pid (\d+);/.exec(line.received)?.[1]);
    line.received = '';
    return line;
  }

  until(what: RegExp): Promise<unknown> {
    return waitFor(() => what.test(this.received) || this.socket.destroyed, { what: String(what), everyMs: 5 });
  }
}

function watched(kind: string, pid: number, leave: () => void): CountingClient {
  return { kind, pid, outcomes: [], strange: '', isOpen: true, over: Promise.resolve(), leave };
}

/** @param judge called when the connection has closed */
function client(
  kind: string,
  line: Line,
  judge: (line: Line) => Outcome[],
  strange = (_: string) => '',
): CountingClient {
  const it = watched(kind, line.pid, () => line.socket.destroy());
  it.over = line.closed.then(() => {
    it.isOpen = false;
    it.outcomes = judge(line);
    it.strange = strange(line.received);
  });
  return it;
}

const requestOf = (method: string, path: string, headers = '') =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;

/** How many of `asked` were answered; the others were cut. */
const answered =
  (asked: number) =>
  ({ received }: Line): Outcome[] => {
    const finished = received.split('done;').length - 1;
    return [...Array<Outcome>(finished).fill('finished'), ...Array<Outcome>(asked - finished).fill('cut')];
  };

export interface Counting {
  clients: CountingClient[];
  /** Of those that leave by themselves: to be called while the drain runs. */
  leave(): void;
  /** Waits until all have seen the end. */
  over(): Promise<void>;
}

/** Every kind of client once; whatever ends by itself takes `ms` milliseconds. */
export async function startCounting(t: Pick<TestContext, 'after'>, ports: Ports, ms: number): Promise<Counting> {
  const { http: port, far, farWs } = ports;
  const lines: Line[] = [];
  const to = async (where: number, ask?: boolean) => {
    const line = await Line.to(where, ask);
    lines.push(line);
    return line;
  };
  t.after(() => {
    for (const { socket } of lines) socket.destroy();
  });

  const idle = await to(port);
  const leaver = await to(port);
  const aborter = await to(port);
  const single = await to(port);
  const many = await to(port);
  const upload = await to(port);
  const source = await to(port);
  const model = await to(port);
  const fetched = await to(port);
  const tunnel = await to(port);
  const mine = await to(port);
  const raw = await to(ports.raw, false);
  // The app answers when it has gone, or would have been cut.
  aborter.socket.write(requestOf('GET', `/?ms=${ms}`));
  single.socket.write(requestOf('GET', `/?ms=${ms}`));
  many.socket.write(requestOf('GET', `/?ms=${ms}`) + requestOf('GET', '/').repeat(2) + requestOf('GET', `/?ms=${ms}`));
  upload.socket.write(requestOf('POST', '/upload', 'Content-Length: 10\r\n'));
  source.socket.write(requestOf('GET', '/events', 'Accept: text/event-stream\r\n'));
  model.socket.write(requestOf('POST', `/events?ms=${ms}`, 'Accept: text/event-stream\r\nContent-Length: 0\r\n'));
  fetched.socket.write(requestOf('GET', `/events?ms=${ms}`, 'Accept: application/json, text/event-stream\r\n'));
  // Its first bytes come with the request.
  tunnel.socket.write(`CONNECT 127.0.0.1:${far} HTTP/1.1\r\nHost: x\r\n\r\n${ms}`);
  mine.socket.write(requestOf('GET', `/mine?port=${far}`, 'Connection: Upgrade\r\nUpgrade: mine\r\n'));
  await mine.until(/101 OK/);
  mine.socket.write(String(ms));
  raw.socket.write(String(ms));
  await Promise.all([tunnel, mine].map((line) => line.until(/\r\n\r\nx+$/)));
  await Promise.all([source, model, fetched].map((line) => line.until(/first/)));
  const uploading = setInterval(() => upload.socket.writable && upload.socket.write('u'), ms / 10);
  upload.closed.then(() => clearInterval(uploading));

  // Its header came before the drain and promised to keep the connection, which is closed when it is idle.
  const stream = ({ received }: Line): Outcome[] =>
    /last\n\n\r\n0\r\n\r\n$/.test(received) ? ['finished', 'closed'] : ['cut'];
  const toItsEnd = ({ received }: Line): Outcome[] => [received.endsWith('END') ? 'finished' : 'cut'];
  const foreign = (received: string) => received.replace(/^.*?\r\n\r\n/s, '').replace(/^x*(END)?$/, '');
  let left = false;
  const clients = [
    client('idle keep-alive', idle, (line) => [line.clean && line.received === '' ? 'closed' : 'cut']),
    client('idle, leaves by itself', leaver, (line) => (left || !line.clean ? [] : ['closed'])),
    client('aborts by itself', aborter, () => []),
    client('request', single, answered(1)),
    client('pipelined requests', many, answered(4)),
    client('slow upload', upload, answered(1)),
    client('EventSource', source, ({ received }) => [/\r\n0\r\n\r\n$/.test(received) ? 'closed' : 'cut']),
    client('stream of a POST', model, stream),
    client('stream read by fetch', fetched, stream),
    client('CONNECT', tunnel, toItsEnd, foreign),
    client('Upgrade: mine', mine, toItsEnd, foreign),
    client('raw TCP', raw, ({ received }) => [received === 'done;' ? 'finished' : 'cut']),
    await webSocket('WebSocket', `ws://127.0.0.1:${port}/ws`, t),
    await webSocket('WebSocket that is passed on', `ws://127.0.0.1:${port}/passed?port=${farWs}&ms=${ms}`, t),
    ...(await http2Clients(t, ports, ms)),
  ];
  return {
    clients,
    leave() {
      left = true;
      leaver.socket.end();
      aborter.socket.destroy();
    },
    over: async () => void (await within(20_000, outcomesOf(clients), Promise.all(clients.map(({ over }) => over)))),
  };
}

async function webSocket(kind: string, url: string, t: Pick<TestContext, 'after'>): Promise<CountingClient> {
  const socket = new WebSocket(url);
  t.after(() => socket.terminate());
  const it = watched(kind, 0, () => socket.terminate());
  socket.on('error', (error) => {
    it.strange += error.message;
  });
  socket.on('message', (data) => {
    it.pid ||= Number(/^pid (\d+);$/.exec(String(data))?.[1] ?? 0);
  });
  it.over = new Promise<void>((done) =>
    socket.on('close', (code) => {
      it.isOpen = false;
      it.outcomes.push(code === 1012 ? 'closed' : code === 1000 ? 'finished' : 'cut');
      if (kind !== 'WebSocket' && code === 1012) it.strange += 'a close frame';
      done();
    }),
  );
  await within(5_000, `${kind} to open`, new Promise((done) => socket.once('open', done)));
  return it;
}

/** A session for each, because a session counts, too. */
async function http2Clients(t: Pick<TestContext, 'after'>, ports: Ports, ms: number): Promise<CountingClient[]> {
  const open = async (kind: string, headers?: http2.OutgoingHttpHeaders, whole?: RegExp, early?: RegExp) => {
    const session = http2.connect(`http://127.0.0.1:${ports.h2c}`);
    t.after(() => session.destroy());
    let toldToLeave = false;
    let failed = false;
    session.on('goaway', (code) => {
      toldToLeave = code === 0;
    });
    session.on('error', () => {
      failed = true;
    });
    const text = (stream: http2.ClientHttp2Stream, onFirst = () => {}) =>
      new Promise<string>((done) => {
        let received = '';
        stream.setEncoding('utf8').on('data', (chunk: string) => {
          received += chunk;
          onFirst();
        });
        stream.on('error', () => {});
        stream.on('end', () => stream.end());
        stream.on('close', () => done(stream.rstCode === 0 ? received : `${received} (broken)`));
      });
    const pid = Number(/\d+/.exec(await text(session.request({ ':path': '/pid' })))?.[0]);
    const it = watched(kind, pid, () => session.destroy());
    const closed = new Promise<void>((done) => session.once('close', () => done()));
    let streamed: Promise<string> | undefined;
    if (headers !== undefined) {
      const stream = session.request(headers, { endStream: headers[':method'] !== 'CONNECT' });
      if (headers[':method'] === 'CONNECT') stream.write(String(ms));
      const first = new Promise<void>((done) => {
        streamed = text(stream, done);
      });
      if (!String(headers[':path']).startsWith('/?')) await first;
    }
    it.over = closed.then(async () => {
      it.isOpen = false;
      const received = await streamed;
      if (received !== undefined) {
        const outcome = whole?.test(received) ? 'finished' : early?.test(received) ? 'closed' : 'cut';
        it.outcomes.push(outcome);
        // One whose stream was ended or cut counts as that, and not as a session.
        if (outcome === 'finished' && toldToLeave && !failed) it.outcomes.push('closed');
        if (headers?.[':method'] === 'CONNECT') it.strange = received.replace(/^x*(END| \(broken\))$/, '');
      } else it.outcomes.push(toldToLeave && !failed ? 'closed' : 'cut');
    });
    return it;
  };
  const events = { ':path': `/events?ms=${ms}`, accept: 'text/event-stream' };
  return [
    await open('HTTP/2, idle'),
    await open('HTTP/2, request', { ':path': `/?ms=${ms}` }, /^done;$/),
    await open('HTTP/2, EventSource', { ...events, ':path': '/events' }, undefined, /tick\n\n$/),
    await open('HTTP/2, stream of a POST', { ...events, ':method': 'POST' }, /last\n\n$/),
    await open('HTTP/2, stream read by fetch', { ':path': events[':path'] }, /last\n\n$/),
    await open('HTTP/2, CONNECT', { ':method': 'CONNECT', ':authority': `127.0.0.1:${ports.far}` }, /^x+END$/),
  ];
}
