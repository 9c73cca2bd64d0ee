import assert from 'node:assert/strict';
import type http from 'node:http';
import type http2 from 'node:http2';
import type https from 'node:https';
import type net from 'node:net';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { certificate, connectTo } from './certificate.ts';
import { type App, connect, type Inside, onEveryNode, portOf, start, until, type Wire } from './helper.ts';

const host = '127.0.0.1';
type Result = {
  finished: number;
  closed: number;
  cut: number;
  cutRequests?: { method: string; path: string }[];
  left?: number;
  leftRequests?: { method: string; path: string }[];
};
const drain = (app: App, options: object) => app.engine<Result>('drain', [options]);
const connections = (app: App, count: number) =>
  until(
    `${count} connections`,
    async () => (await app.engine<{ connections: number }>('totals')).connections === count,
  );

/** Whatever is asked to be upgraded or connected is answered by `GREETING`, and by a dot every 20 ms. */
async function tunnelApp({ require, vars, listening }: Inside, kind: 'http' | 'https' | 'http2', tls: object | null) {
  const onTunnel = (_: unknown, socket: net.Socket) => {
    vars.socket = socket;
    socket.on('error', () => {});
    socket.write('HTTP/1.1 200 GREETING\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const dots = setInterval(() => socket.write('.'), 20);
    socket.on('close', () => clearInterval(dots));
    socket.on('data', (chunk) => {
      if (String(chunk) === 'end') {
        clearInterval(dots);
        socket.end('END');
      }
    });
  };
  if (kind === 'http') vars.server = (require('node:http') as typeof http).createServer();
  else if (kind === 'https') vars.server = (require('node:https') as typeof https).createServer(tls ?? {});
  else
    vars.server = (require('node:http2') as typeof http2).createSecureServer(
      { ...tls, allowHTTP1: true },
      (_, response) => response.end(),
    );
  vars.server.on('connect', onTunnel).on('upgrade', onTunnel);
  vars.server.listen(0, '127.0.0.1');
  await listening(vars.server);
}

const REQUESTS = {
  CONNECT: 'CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n',
  'an upgrade to a WebSocket of an unknown library':
    'GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  'an upgrade to something else': 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\n',
};

async function tunnelThrough(app: App, request: string, secure = false): Promise<Wire> {
  const wire = await connectTo(secure, { host, port: await portOf(app) });
  wire.socket.write(request);
  await wire.until((text) => text.endsWith('\r\n\r\n.'));
  return wire;
}

const bytesOf = (wire: Wire) => wire.received.replace(/^.*?\r\n\r\n/s, '');

onEveryNode('tunnels', (node) => {
  for (const [what, request] of Object.entries(REQUESTS)) {
    test(`${what} is cut with the budget and told, without a byte of ours`, async (t) => {
      const app = await start(t, node, tunnelApp, ['http', null]);
      const wire = await tunnelThrough(app, request);
      await app.load();
      await connections(app, 1);
      const started = Date.now();
      const result = await drain(app, { budgetMs: 600, graceMs: 50 });
      assert.ok(Date.now() - started >= 550, 'the whole budget');
      await wire.closed;
      assert.match(bytesOf(wire), /^\.+$/);
      assert.deepEqual(result, {
        finished: 0,
        closed: 0,
        cut: 1,
        cutOpaque: 1,
        cutRequests: [{ method: 'CONNECT or upgrade', path: `from 127.0.0.1:${wire.localPort}` }],
      });
    });
  }

  for (const kind of ['https', 'http2'] as const) {
    test(`one through a server of ${kind} is finished if it ends by itself, and the drain is over then`, async (t) => {
      const app = await start(t, node, tunnelApp, [kind, certificate()]);
      const wire = await tunnelThrough(app, REQUESTS.CONNECT, true);
      await app.load();
      await connections(app, 1);
      const started = Date.now();
      const draining = drain(app, { budgetMs: 20_000, graceMs: 50 });
      await until('it drains', async () => (await app.engine('state')) === 'draining');
      // Longer than the grace of an idle connection.
      setTimeout(() => wire.socket.write('end'), 300);
      assert.deepEqual(await draining, { finished: 1, closed: 0, cut: 0 });
      assert.ok(Date.now() - started < 10_000);
      assert.match(bytesOf(wire), /^\.+END$/);
    });
  }

  test('one that its client has half closed still brings the rest', async (t) => {
    const app = await start(t, node, tunnelApp, ['http', null]);
    const wire = await connect({ host, port: await portOf(app), allowHalfOpen: true });
    wire.socket.end(REQUESTS.CONNECT);
    await wire.until((text) => text.endsWith('\r\n\r\n.'));
    await app.load();
    await connections(app, 1);
    const draining = drain(app, { budgetMs: 20_000, graceMs: 50 });
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    await new Promise((done) => setTimeout(done, 200));
    await app.run(({ vars }) => vars.socket.end('END'), []);
    await wire.closed;
    assert.match(bytesOf(wire), /^\.+END$/);
    assert.deepEqual(await draining, { finished: 1, closed: 0, cut: 0 });
  });

  test('one whose client goes away by a reset is neither finished nor cut', async (t) => {
    const app = await start(t, node, tunnelApp, ['http', null]);
    const wire = await tunnelThrough(app, REQUESTS.CONNECT);
    await app.load();
    await connections(app, 1);
    const draining = drain(app, { budgetMs: 20_000 });
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    wire.socket.resetAndDestroy();
    assert.deepEqual(await draining, { finished: 0, closed: 0, cut: 0 });
  });

  test('for a dump one is left, and told, and goes on', async (t) => {
    const app = await start(t, node, tunnelApp, ['http', null]);
    const wire = await tunnelThrough(app, REQUESTS.CONNECT);
    await app.load();
    await connections(app, 1);
    assert.deepEqual(await drain(app, { budgetMs: 300, graceMs: 50, unfinished: 'leave' }), {
      finished: 0,
      closed: 0,
      cut: 0,
      left: 1,
      leftRequests: [{ method: 'CONNECT or upgrade', path: `from 127.0.0.1:${wire.localPort}` }],
    });
    wire.socket.write('end');
    await wire.closed;
    assert.match(bytesOf(wire), /^\.+END$/);
  });

  test('an upgrade that the app answers in the drain is as the app answers it', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        const { ServerResponse, createServer } = require('node:http') as typeof http;
        vars.server = createServer();
        vars.server.on('upgrade', (request: http.IncomingMessage, socket: net.Socket) => {
          socket.on('error', () => {});
          setTimeout(() => {
            const response = new ServerResponse(request);
            response.assignSocket(socket);
            response.writeHead(200, { Connection: 'Upgrade', Upgrade: 'mine' }).flushHeaders();
            setTimeout(() => socket.end('END'), 200);
          }, 200);
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(REQUESTS['an upgrade to something else']);
    await app.load();
    await connections(app, 1);
    const { cut } = await drain(app, { budgetMs: 5_000, graceMs: 50 });
    await wire.closed;
    assert.match(wire.received, /\r\nConnection: Upgrade\r\n/);
    assert.doesNotMatch(wire.received, /close/i);
    assert.match(wire.received, /END$/);
    assert.equal(cut, 0);
  });

  test('a WebSocket that the app takes over only in the drain is closed with 1012 when it has', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        const { WebSocketServer } = require('ws') as typeof import('ws');
        vars.server = (require('node:http') as typeof http).createServer();
        const sockets = new WebSocketServer({ noServer: true });
        vars.server.on('upgrade', (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
          // As one that asks a database for the user first.
          setTimeout(() => sockets.handleUpgrade(request, socket, head, (it) => it.send('welcome')), 300);
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const client = new WebSocket(`ws://${host}:${await portOf(app)}/`);
    const messages: string[] = [];
    client.on('message', (data) => messages.push(String(data)));
    const closed = new Promise((done) => client.once('close', done));
    await app.load();
    await connections(app, 1);
    assert.deepEqual(await drain(app, { budgetMs: 5_000, graceMs: 50 }), { finished: 0, closed: 1, cut: 0 });
    assert.equal(await closed, 1012);
    assert.deepEqual(messages, ['welcome']);
  });

  test('a WebSocket whose client has not read what was sent to it is cut, and not closed', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        const { WebSocketServer } = require('ws') as typeof import('ws');
        vars.server = (require('node:http') as typeof http).createServer();
        new WebSocketServer({ server: vars.server }).on('connection', (socket) => {
          vars.socket = socket;
          socket.on('error', () => {});
          for (let i = 0; i < 40; i++) socket.send(Buffer.alloc(1_000_000));
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const wire = await connect({ host, port: await portOf(app) });
    const headers = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    wire.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${headers}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    await wire.until((text) => text.includes('101 Switching'));
    wire.socket.pause();
    await app.load();
    await connections(app, 1);
    const { closed, cut } = await drain(app, { budgetMs: 400 });
    assert.deepEqual({ closed, cut }, { closed: 0, cut: 1 });
    wire.socket.destroy();
  });

  test('a connection that the app has taken from Node gets no byte of ours either', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        vars.server = (require('node:http') as typeof http).createServer((request, response) => {
          const { socket } = request;
          if (request.url === '/detached') response.detachSocket(socket);
          const dots = setInterval(() => socket.write('.'), 20);
          socket.on('close', () => clearInterval(dots));
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const port = await portOf(app);
    const wires = await Promise.all([connect({ host, port }), connect({ host, port })]);
    wires[0].socket.write('GET /detached HTTP/1.1\r\nHost: x\r\n\r\n');
    wires[1].socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await Promise.all(wires.map((wire) => wire.until((text) => text.includes('.'))));
    await app.load();
    await connections(app, 2);
    const { closed, cut } = await drain(app, { budgetMs: 600, graceMs: 50 });
    await Promise.all(wires.map((wire) => wire.closed));
    for (const wire of wires) assert.match(wire.received, /^\.+$/);
    assert.deepEqual({ closed, cut }, { closed: 0, cut: 2 });
  });

  test('a WebSocket of which ws has made only the handshake is a tunnel', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        const { WebSocketServer } = require('ws') as typeof import('ws');
        const { PassThrough } = require('node:stream') as typeof import('node:stream');
        vars.server = (require('node:http') as typeof http).createServer();
        new WebSocketServer({ server: vars.server }).on('connection', (websocket) => {
          const { _socket: socket } = websocket as unknown as { _socket: net.Socket };
          socket.removeAllListeners('data');
          const far = new PassThrough();
          socket.pipe(far).pipe(socket);
          const dots = setInterval(() => far.write('.'), 20);
          socket.on('close', () => clearInterval(dots));
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const wire = await connect({ host, port: await portOf(app) });
    const headers = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n';
    wire.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${headers}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`);
    await wire.until((text) => text.endsWith('\r\n\r\n.'));
    await app.load();
    await connections(app, 1);
    const { closed, cut } = await drain(app, { budgetMs: 400 });
    await wire.closed;
    assert.match(bytesOf(wire), /^\.+$/);
    assert.deepEqual({ closed, cut }, { closed: 0, cut: 1 });
  });

  test('an upgrade whose body has not come is a tunnel, too', async (t) => {
    const app = await start(t, node, tunnelApp, ['http', null]);
    const wire = await tunnelThrough(
      app,
      'POST /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: mine\r\nContent-Length: 100\r\n\r\nhalf',
    );
    await app.load();
    await connections(app, 1);
    const { finished, closed, cut } = await drain(app, { budgetMs: 400, graceMs: 50 });
    await wire.closed;
    assert.match(bytesOf(wire), /^\.+$/);
    assert.deepEqual({ finished, closed, cut }, { finished: 0, closed: 0, cut: 1 });
  });
});
