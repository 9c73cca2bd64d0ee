// Runs apps as real processes, plain or as cluster workers, into which the bundled engine is loaded after they serve.

import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, describe, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { DrainEngine } from '../../drain/index.ts';
import { nodes } from '../../testkit/nodes.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
export const folder = mkdtempSync(join(tmpdir(), 'pm2-ops-drain-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const engineFile = join(folder, 'engine.cjs');
buildSync({
  entryPoints: [resolve(here, '../../drain/index.ts')],
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  outfile: engineFile,
  logLevel: 'warning',
});

/** What an app's code finds in the child: its modules, a place for what it wants asked about later. */
export interface Inside {
  require: NodeJS.Require;
  /** After `load`. */
  engine: DrainEngine;
  /** Say it from the code that starts the app. */
  listening(server: net.Server): Promise<void>;
  // Whatever the test and its app agree on.
  // biome-ignore lint/suspicious/noExplicitAny: shared between functions that run in the child
  vars: Record<string, any>;
}

const runnerFile = join(folder, 'runner.cjs');
writeFileSync(
  runnerFile,
  `
  globalThis.__name = (fn) => fn;
  const cluster = require('node:cluster');
  const { createRequire } = require('node:module');
  const inside = {
    require: createRequire(${JSON.stringify(join(here, 'helper.ts'))}),
    vars: {},
    listening: (server) => new Promise((ok, no) => { server.once('error', no); server.once('listening', () => { server.off('error', no); ok(); }); }),
  };
  let engine;
  process.on('message', async ({ id, fn, args, call, load }) => {
    if (id === undefined) return;
    try {
      let value;
      if (load) { engine = require(${JSON.stringify(engineFile)}).createDrainEngine(); inside.engine = engine; }
      else if (call) value = await engine[call](...args);
      else value = await (0, eval)('(' + fn + ')')(inside, ...args);
      process.send({ id, value });
    } catch (error) { process.send({ id, error: String(error && error.stack || error) }); }
  });
  process.send({ ready: true });
`,
);
const primaryFile = join(folder, 'primary.cjs');
writeFileSync(
  primaryFile,
  `
  const cluster = require('node:cluster');
  const count = Number(process.argv[2]);
  if (process.argv[3] === 'none') cluster.schedulingPolicy = cluster.SCHED_NONE;
  cluster.setupPrimary({ exec: ${JSON.stringify(runnerFile)} });
  const workers = [];
  let ready = 0;
  for (let i = 0; i < count; i++) {
    const worker = cluster.fork();
    workers.push(worker);
    worker.on('message', (message) => {
      if (message.ready) { if (++ready === count) process.send({ ready: true }); }
      else process.send(message);
    });
    worker.on('exit', (code, signal) => process.send({ died: i, code, signal }));
  }
  process.on('message', ({ to, ...message }) => workers[to].send(message));
  process.on('disconnect', () => process.exit());
`,
);

/** A process (or a primary with workers) that runs an app. */
export class App {
  readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
  #id = 0;
  #errors = '';
  readonly died: Promise<string>;

  constructor(readonly child: ChildProcess) {
    child.on('message', (message: { id?: number; value?: never; error?: string }) => {
      if (message.id === undefined) return;
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.value as never);
      else waiting?.reject(new Error(message.error));
    });
    child.stderr?.on('data', (chunk) => {
      this.#errors += chunk;
    });
    this.died = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        const text = `exit ${code ?? signal}`;
        for (const { reject } of this.#waiting.values()) reject(new Error(`the app died: ${text}\n${this.#errors}`));
        resolve(text);
      });
    });
  }

  /** What the process wrote to stderr. */
  get errors(): string {
    return this.#errors;
  }

  /** Runs a function inside the process, or inside worker number `to`. */
  run<A extends unknown[], R>(fn: (inside: Inside, ...args: A) => R, args: A, to = 0): Promise<Awaited<R>> {
    return this.#ask({ fn: String(fn), args, to });
  }

  /** Loads the engine into the running process. */
  load(to = 0): Promise<void> {
    return this.#ask({ load: true, args: [], to });
  }

  engine<R = never>(call: string, args: unknown[] = [], to = 0): Promise<R> {
    return this.#ask({ call, args, to });
  }

  #ask<R>(message: object): Promise<R> {
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      this.#waiting.set(id, { resolve: resolve as (value: never) => void, reject });
      this.child.send({ id, ...message });
    });
  }
}

/** Starts `app` in a process of that Node, or in `workers` cluster workers, and waits until it serves. */
export async function start<A extends unknown[]>(
  t: TestContext,
  node: string,
  app: (inside: Inside, ...args: A) => unknown,
  args: A,
  { workers = 0, scheduling = 'rr' }: { workers?: number; scheduling?: 'rr' | 'none' } = {},
): Promise<App> {
  const child = fork(workers === 0 ? runnerFile : primaryFile, [String(workers), scheduling], {
    execPath: node,
    execArgv: [],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    // A child of tsx must not inherit its loader.
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  t.after(() => child.kill('SIGKILL'));
  const started = new App(child);
  await new Promise<void>((ready, reject) => {
    child.on('message', (message: { ready?: boolean }) => message.ready && ready());
    child.on('exit', () => reject(new Error(started.errors)));
  });
  for (let to = 0; to < Math.max(1, workers); to++) await started.run(app, args, to);
  return started;
}

/** Runs the tests once for every Node that is tested on, side by side: they mostly wait. */
export function onEveryNode(title: string, tests: (node: string) => void): void {
  describe(title, { concurrency: true }, () => {
    for (const { path, version } of nodes())
      describe(`Node ${version}`, { timeout: 60_000, concurrency: 1 }, () => tests(path));
  });
}

/** An HTTP server on an ephemeral port whose answers depend on the path: `/` at once, `/wait?ms=` later. */
export async function plainApp({ require, vars, listening }: Inside, listenArgs: unknown[] = [0, '127.0.0.1']) {
  const server = (require('node:http') as typeof http).createServer((request, response) => {
    vars.requests = (vars.requests ?? 0) + 1;
    const ms = Number(new URL(request.url ?? '/', 'http://x').searchParams.get('ms'));
    if (ms > 0) setTimeout(() => response.end(`waited ${process.pid}`), ms);
    else response.end(`hello ${process.pid}`);
  });
  vars.server = server;
  vars.events = [];
  for (const event of ['listening', 'close', 'error']) server.on(event, () => vars.events.push(event));
  server.listen(...(listenArgs as [number]));
  await listening(server);
}

export function portOf(app: App, to = 0): Promise<number> {
  return app.run(({ vars }) => (vars.server.address() as net.AddressInfo).port, [], to);
}

export interface Answer {
  status: number;
  connection: string | undefined;
  body: string;
}

/** One request by a client that never tries twice. */
export function get(where: http.RequestOptions, body?: string | Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ agent: false, ...where }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, connection: response.headers.connection, body: text }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** A raw connection: what was received, and how it ended. */
export class Wire {
  received = '';
  ended = false;
  error: Error | undefined;
  readonly closed: Promise<void>;
  readonly localPort: number | undefined;

  constructor(readonly socket: net.Socket) {
    this.localPort = socket.localPort;
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      this.received += chunk;
    });
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('error', (error) => {
      this.error = error;
    });
    this.closed = new Promise((resolve) => socket.on('close', () => resolve()));
  }

  /** Waits until what was received satisfies `predicate`. */
  async until(predicate: (received: string) => boolean): Promise<string> {
    while (!predicate(this.received)) {
      if (this.socket.destroyed) throw new Error(`closed after ${JSON.stringify(this.received)}`);
      await new Promise((resolve) => {
        this.socket.once('data', resolve);
        this.socket.once('close', resolve);
      });
    }
    return this.received;
  }
}

export function connect(where: net.NetConnectOpts): Promise<Wire> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(where);
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new Wire(socket));
    });
  });
}

/** Waits for a state instead of sleeping; fails after `deadlineMs`. */
export async function until(what: string, holds: () => unknown | Promise<unknown>, deadlineMs = 10_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
