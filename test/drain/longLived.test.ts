import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import http from 'node:http';
import type net from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { certificate, connectTo } from './certificate.ts';
import { type App, connect, get, type Inside, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const host = '127.0.0.1';
type Result = { finished: number; closed: number; cut: number };
const drain = (app: App, options: object) => app.engine<Result>('drain', [options]);
const connections = (app: App, count: number) =>
  until(
    `${count} connections`,
    async () => (await app.engine<{ connections: number }>('totals')).connections === count,
  );

async function websocketApp({ require, vars, listening }: Inside, tls?: object) {
  const { WebSocketServer } = require('ws') as typeof import('ws');
  vars.server = tls
    ? (require('node:https') as typeof import('node:https')).createServer(tls)
    : (require('node:http') as typeof http).createServer();
  const sockets = new WebSocketServer({ server: vars.server, perMessageDeflate: true });
  sockets.on('connection', (socket) => {
    vars.websocket = socket;
    socket.on('close', (code) => {
      vars.closedWith = code;
    });
  });
  vars.server.listen(0, '127.0.0.1');
  await listening(vars.server);
}

onEveryNode('long-lived connections', (node) => {
  for (const secure of [false, true]) {
    test(`a WebSocket of ws is closed with 1012 after the messages that were queued${secure ? ', over TLS too' : ''}`, async (t) => {
      const app = await start(t, node, websocketApp, secure ? [certificate()] : []);
      const port = await portOf(app);
      const client = new WebSocket(`${secure ? 'wss' : 'ws'}://${host}:${port}/`, { rejectUnauthorized: false });
      let received = 0;
      client.on('message', () => received++);
      const closed = new Promise<number>((done) => client.on('close', done));
      await new Promise((done) => client.once('open', done));
      await app.load();
      await until('the app has it', () => app.run(({ vars }) => vars.websocket !== undefined, []));
      await connections(app, 1);
      const text = crypto.randomBytes(40_000).toString('hex');
      const started = Date.now();
      // In one go: the goodbye must not overtake the messages that are still being compressed.
      const result = await app.run(
        ({ vars, engine }, payload) => {
          for (let i = 0; i < 20; i++) vars.websocket.send(payload);
          return engine.drain({ budgetMs: 10_000 });
        },
        [text],
      );
      assert.equal(await closed, 1012);
      assert.equal(received, 20);
      assert.equal(Date.now() - started < 5_000, true);
      assert.deepEqual(result, { finished: 0, closed: 1, cut: 0 });
    });
  }

  test('a WebSocket whose client does not answer is gone with the budget, and that is no cut', async (t) => {
    const app = await start(t, node, websocketApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    const headers = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    wire.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${headers}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    await wire.until((text) => text.includes('101 Switching'));
    await app.load();
    const started = Date.now();
    assert.deepEqual(await drain(app, { budgetMs: 600 }), { finished: 0, closed: 1, cut: 0 });
    assert.equal(Date.now() - started < 1_200, true);
    await wire.closed;
    assert.equal(wire.received.slice(-4), '\x88\x02\x03\xf4');
  });

  async function eventsApp({ require, vars, listening }: Inside) {
    vars.server = (require('node:http') as typeof http).createServer((request, response) => {
      if (request.url === '/next') return response.end('next');
      vars.streams = (vars.streams ?? 0) + 1;
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      if (request.url === '/silent') return;
      const timer = setInterval(() => response.write('data: tick\n\n'), 10);
      response.on('close', () => {
        clearInterval(timer);
        vars.over = true;
      });
    });
    vars.server.listen(0, '127.0.0.1');
    await listening(vars.server);
  }

  test("an event stream goes on until the budget's last part, then ends cleanly, and the app that writes on is not hurt", async (t) => {
    const app = await start(t, node, eventsApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write('GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
    await wire.until((text) => text.includes('tick'));
    await app.load();
    const started = Date.now();
    const draining = drain(app, { budgetMs: 1_000 });
    await wire.closed;
    const took = Date.now() - started;
    assert.equal(took > 800 && took < 1_200, true, `${took} ms`);
    assert.match(wire.received, /\r\n0\r\n\r\n$/);
    assert.equal(wire.error, undefined);
    assert.deepEqual(await draining, { finished: 0, closed: 1, cut: 0 });
    await until('the app has noticed', () => app.run(({ vars }) => vars.over === true, []));
  });

  test('an event stream that has sent nothing yet, not even its head, ends cleanly as well', async (t) => {
    const app = await start(t, node, eventsApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    await app.load();
    wire.socket.write('GET /silent HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n');
    await connections(app, 1);
    assert.deepEqual(await drain(app, { budgetMs: 500 }), { finished: 0, closed: 1, cut: 0 });
    await wire.closed;
    assert.match(wire.received, /^HTTP\/1\.1 200 .*\r\n\r\n0\r\n\r\n$/s);
  });

  test('a client whose event stream ends asks again at once on the same connection, and is answered', async (t) => {
    const app = await start(t, node, eventsApp, []);
    const port = await portOf(app);
    const client = async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const stream = await get({ host, port, agent, headers: { accept: 'text/event-stream' } });
      const next = await get({ host, port, path: '/next', agent });
      return `${stream.status} ${next.status} ${next.body} ${next.connection}`;
    };
    const clients = Array.from({ length: 20 }, client);
    await until('20 streams', () => app.run(({ vars }) => vars.streams === 20, []));
    await app.load();
    const drained = await drain(app, { budgetMs: 4_000 });
    assert.deepEqual([...new Set(await Promise.all(clients))], ['200 200 next close']);
    assert.deepEqual(drained, { finished: 20, closed: 20, cut: 0 });
  });

  test('a long poll is answered if its event comes during the drain', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write('GET /?ms=500 HTTP/1.1\r\nHost: x\r\n\r\n');
    await app.load();
    await connections(app, 1);
    assert.deepEqual(await drain(app, { budgetMs: 5_000, graceMs: 0 }), { finished: 1, closed: 0, cut: 0 });
    await wire.closed;
    assert.match(wire.received, /waited/);
  });

  for (const tls of [false, true]) {
    test(`a connection of a plain ${tls ? 'tls' : 'net'} server has the whole budget, silent or not; what ends by itself is finished, the rest is cut`, async (t) => {
      const app = await start(
        t,
        node,
        async ({ require, vars, listening }: Inside, options: object | null) => {
          const answers = (socket: net.Socket) =>
            socket.on('error', () => {}).on('data', (ms) => setTimeout(() => socket.end('answer'), Number(ms)));
          vars.server = options
            ? (require('node:tls') as typeof import('node:tls')).createServer(options, answers)
            : (require('node:net') as typeof net).createServer(answers);
          vars.server.listen(0, '127.0.0.1');
          await listening(vars.server);
        },
        [tls ? certificate() : null],
      );
      const port = await portOf(app);
      const [slow, slower] = [await connectTo(tls, { host, port }), await connectTo(tls, { host, port })];
      slow.socket.write('700');
      slower.socket.write('60000');
      await app.load();
      await connections(app, 2);
      assert.equal((await app.engine<{ kind: string }[]>('servers'))[0]?.kind, tls ? 'tls' : 'net');
      const started = Date.now();
      const drained = await drain(app, { budgetMs: 1_200, graceMs: 50 });
      assert.ok(Date.now() - started >= 1_100, 'the whole budget');
      await Promise.all([slow.closed, slower.closed]);
      assert.deepEqual([slow.received, slower.received], ['answer', '']);
      const { cutRequests, ...figures } = drained as Result & { cutRequests: { method: string; path: string }[] };
      assert.deepEqual(figures, { finished: 1, closed: 0, cut: 1, cutOpaque: 1 });
      assert.deepEqual(
        cutRequests.map(({ method, path }) => `${method} ${path}`),
        [`TCP from 127.0.0.1:${slower.localPort}`],
      );
    });

    test(`for a dump a connection of a plain ${tls ? 'tls' : 'net'} server is left, and told`, async (t) => {
      const app = await start(
        t,
        node,
        async ({ require, vars, listening }: Inside, options: object | null) => {
          const echo = (socket: net.Socket) => socket.on('data', (chunk) => socket.write(chunk));
          vars.server = options
            ? (require('node:tls') as typeof import('node:tls')).createServer(options, echo)
            : (require('node:net') as typeof net).createServer(echo);
          vars.server.listen(0, '127.0.0.1');
          await listening(vars.server);
        },
        [tls ? certificate() : null],
      );
      const wire = await connectTo(tls, { host, port: await portOf(app) });
      await app.load();
      await connections(app, 1);
      assert.deepEqual(await drain(app, { budgetMs: 400, graceMs: 50, unfinished: 'leave' }), {
        finished: 0,
        closed: 0,
        cut: 0,
        left: 1,
        leftRequests: [{ method: 'TCP', path: `from 127.0.0.1:${wire.localPort}` }],
      });
      wire.socket.write('ping');
      await wire.until((text) => text === 'ping');
    });
  }
});
