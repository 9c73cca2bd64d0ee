// A process that is nothing but clients: raw sockets, one request at a time on each, kept alive, and none is ever retried.
// What a client got is judged byte by byte, so that no library's own second try or silence hides a loss.

import { connect, type Socket } from 'node:net';
import { bucketOf, type FailureKind, type Group, type Order, type Reply, type Seen } from './seen.ts';

/** A client gives up a request without its whole answer by then. */
const STALLED_MS = 10_000;
/** A client's pause after a failure: without it, it would ask a port that refuses ten thousand times a second. */
const BREATH_MS = 10;
/** How often the clients look for stalled requests. */
const LOOK_EVERY_MS = 200;

const END_OF_HEADERS = '\r\n\r\n';

class Clients {
  readonly #group: Group;
  readonly #clients: Client[];
  readonly #look: NodeJS.Timeout;
  #seen = nothingSeen();

  constructor(group: Group) {
    this.#group = group;
    this.#clients = Array.from({ length: group.clients }, (_, at) => {
      return new Client(group, at >= (group.anew ?? 0), () => this.#seen);
    });
    this.#look = setInterval(() => {
      for (const client of this.#clients) client.giveUpStalled();
    }, LOOK_EVERY_MS);
    for (const client of this.#clients) client.begin();
  }

  get name(): string {
    return this.#group.name;
  }

  seen(): Seen {
    return this.#seen;
  }

  /** What was seen since the last time. */
  collect(): Seen {
    const seen = this.#seen;
    this.#seen = nothingSeen();
    return seen;
  }

  /** No new requests; resolves when those under way have their answer or failed. */
  async stop(): Promise<Seen> {
    await Promise.all(this.#clients.map((client) => client.stop()));
    clearInterval(this.#look);
    return this.collect();
  }
}

class Client {
  readonly #group: Group;
  readonly #seen: () => Seen;
  readonly #request: string;
  #socket: Socket | undefined;
  #received = '';
  /** When the request under way began (performance.now()). */
  #askedAtMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped: (() => void) | undefined;

  constructor(group: Group, keepsAlive: boolean, seen: () => Seen) {
    this.#group = group;
    this.#seen = seen;
    const connection = keepsAlive ? 'keep-alive' : 'close';
    this.#request = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${group.port}\r\nConnection: ${connection}\r\n\r\n`;
  }

  /** Clients that pause do not all begin at once. */
  begin(): void {
    this.#afterPause(0);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#stopped = resolve;
      if (this.#askedAtMs === undefined) this.#leave();
    });
  }

  giveUpStalled(): void {
    if (this.#askedAtMs !== undefined && performance.now() - this.#askedAtMs > STALLED_MS) this.#fail('stalled');
  }

  #leave(): void {
    clearTimeout(this.#timer);
    this.#drop();
    this.#stopped?.();
  }

  #afterPause(atLeastMs: number): void {
    if (this.#stopped !== undefined) {
      this.#leave();
      return;
    }
    const pauseMs = Math.max(atLeastMs, Math.random() * this.#group.pauseMs);
    if (pauseMs === 0) this.#ask();
    // After the pause, what has arrived meanwhile is read first: an end that is already here is no race with the network.
    else this.#timer = setTimeout(() => setImmediate(() => this.#ask()), pauseMs);
  }

  #ask(): void {
    if (this.#stopped !== undefined) {
      this.#leave();
      return;
    }
    this.#askedAtMs = performance.now();
    this.#received = '';
    this.#seen().requests += 1;
    if (this.#socket === undefined) this.#open();
    else this.#socket.write(this.#request, 'latin1');
  }

  #open(): void {
    this.#seen().connections += 1;
    const socket = connect({ port: this.#group.port, host: '127.0.0.1', noDelay: true });
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.once('connect', () => socket.write(this.#request, 'latin1'));
    socket.on('data', (part: string) => {
      if (this.#socket === socket && this.#askedAtMs !== undefined) this.#read(part);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.#socket === socket) this.#lost(error.code === 'ECONNREFUSED' ? 'refused' : 'reset');
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        if (this.#socket === socket) this.#lost('hangUp');
      });
  }

  #read(part: string): void {
    this.#received += part;
    if (!isComplete(this.#received)) return;
    const answer = this.#received;
    const ms = performance.now() - this.#askedAtMs!;
    this.#askedAtMs = undefined;
    const seen = this.#seen();
    const bucket = bucketOf(ms);
    seen.latencies[bucket] = (seen.latencies[bucket] ?? 0) + 1;
    seen.maxMs = Math.max(seen.maxMs, ms);
    const failed = !answer.startsWith('HTTP/1.1 200');
    if (failed) seen.failures.status += 1;
    else this.#noteServer(answer);
    if (/\r\nconnection: close\r\n/i.test(answer.slice(0, answer.indexOf(END_OF_HEADERS) + 2))) this.#drop();
    this.#afterPause(failed ? BREATH_MS : 0);
  }

  #noteServer(answer: string): void {
    const seen = this.#seen();
    const server = answer.slice(answer.indexOf('pid ', answer.indexOf(END_OF_HEADERS)) + 4);
    const at = monotonicMs();
    const before = seen.servers[server];
    if (before === undefined) seen.servers[server] = { answers: 1, firstAtMs: at, lastAtMs: at };
    else {
      before.answers += 1;
      before.lastAtMs = at;
    }
  }

  /** The connection is gone. Nobody minds between two requests. */
  #lost(how: 'refused' | 'reset' | 'hangUp'): void {
    if (this.#askedAtMs === undefined) this.#drop();
    else this.#fail(this.#received === '' ? how : 'cut');
  }

  #fail(kind: FailureKind): void {
    this.#seen().failures[kind] += 1;
    this.#askedAtMs = undefined;
    this.#drop();
    this.#afterPause(BREATH_MS);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }
}

/** By its length, or by its last chunk. */
function isComplete(received: string): boolean {
  const end = received.indexOf(END_OF_HEADERS);
  if (end < 0) return false;
  const length = /\r\ncontent-length: (\d+)\r\n/i.exec(received.slice(0, end + 2))?.[1];
  if (length === undefined) return received.endsWith(`0${END_OF_HEADERS}`);
  return received.length >= end + END_OF_HEADERS.length + Number(length);
}

function nothingSeen(): Seen {
  const failures = { refused: 0, reset: 0, hangUp: 0, cut: 0, status: 0, stalled: 0 };
  return { requests: 0, connections: 0, failures, latencies: {}, maxMs: 0, servers: {} };
}

/** Milliseconds of the monotonic clock, which is the same for every process of a host. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

const groups = new Map<string, Clients>();

async function obey(order: Order): Promise<Seen> {
  if (order.do === 'start') {
    const clients = new Clients(order.group);
    groups.set(clients.name, clients);
    return clients.seen();
  }
  const clients = groups.get(order.name)!;
  if (order.do === 'look') return clients.seen();
  if (order.do === 'collect') return clients.collect();
  groups.delete(order.name);
  return clients.stop();
}

process.on('message', (order: Order) => {
  void obey(order).then((seen) => process.send?.({ id: order.id, seen } satisfies Reply));
});
process.on('disconnect', () => process.exit());
