import assert from 'node:assert/strict';
import http from 'node:http';
import http2 from 'node:http2';
import { test } from 'node:test';
import { connect, get, type Inside, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const host = '127.0.0.1';

onEveryNode('keep-alive', (node) => {
  test('disabled, every response ends its connection and new connections are still taken; enabled, nothing is left of it', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => agent.destroy());
    await app.load();
    assert.equal((await get({ host, port, agent })).connection, 'keep-alive');
    assert.equal(await app.engine('keepAlive'), true);
    assert.equal(await app.engine('disableKeepAlive'), 1);
    assert.equal(await app.engine('keepAlive'), false);
    assert.equal(await app.engine('state'), 'serving');
    for (let i = 0; i < 3; i++) assert.equal((await get({ host, port, agent })).connection, 'close');
    await until('all are closed', async () => (await app.engine<{ connections: number }>('totals')).connections === 0);
    assert.equal(await app.engine('enableKeepAlive'), 0);
    assert.equal((await get({ host, port, agent })).connection, 'keep-alive');
    const own = await app.run(
      ({ require }) => Object.hasOwn((require('node:http') as typeof http).ServerResponse.prototype, '_storeHeader'),
      [],
    );
    assert.equal(own, false);
  });

  test('keep-alive stays disabled through a drain and a resume', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    const where = { host, port, headers: { connection: 'keep-alive' } };
    await app.load();
    await app.engine('disableKeepAlive');
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    await app.engine('resume');
    assert.equal((await get(where)).connection, 'close');
    await app.engine('enableKeepAlive');
    assert.equal((await get(where)).connection, 'keep-alive');
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    await app.engine('resume');
    assert.equal((await get(where)).connection, 'keep-alive');
  });

  test('64 keep-alive clients lose nothing when keep-alive is disabled and enabled again', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    await app.load();
    let running = true;
    let answered = 0;
    const clients = Array.from({ length: 64 }, async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      while (running) {
        await get({ host, port, agent, path: '/?ms=2' });
        answered++;
      }
      agent.destroy();
    });
    const watched = Promise.all(clients);
    for (let round = 0; round < 3; round++)
      for (const call of ['disableKeepAlive', 'enableKeepAlive']) {
        const before = answered;
        assert.equal((await app.engine<number>(call)) <= 64, true);
        await until('more answers', () => answered > before + 200);
      }
    running = false;
    await watched;
  });

  test('pipelined requests are all answered while keep-alive is disabled', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    await app.load();
    await app.engine('disableKeepAlive');
    for (const ms of [0, 20]) {
      const wire = await connect({ host, port });
      wire.socket.write(`GET /?ms=${ms} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(4));
      await wire.closed;
      assert.equal(wire.received.split('HTTP/1.1 200 OK').length - 1, 4, wire.received);
      assert.equal(wire.received.split('Connection: close').length - 1, 1);
    }
  });

  test('a WebSocket handshake goes through while keep-alive is disabled', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        vars.server = (require('node:http') as typeof http).createServer((_, response) => {
          response.writeHead(101, { Connection: 'Upgrade', Upgrade: 'other' });
          response.end();
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    await app.load();
    await app.engine('disableKeepAlive');
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await wire.until((text) => text.includes('\r\n\r\n'));
    assert.match(wire.received, /Connection: Upgrade/);
    assert.doesNotMatch(wire.received, /Connection: close/);
  });

  test('HTTP/2 sessions are asked to leave, those that come later after their first request', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        vars.server = (require('node:http2') as typeof http2).createServer((_, response) => response.end('two'));
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const url = `http://127.0.0.1:${await portOf(app)}`;
    const opened = async () => {
      const client = http2.connect(url);
      await new Promise((done) => client.once('connect', done));
      return client;
    };
    const ask = (client: http2.ClientHttp2Session) =>
      new Promise((resolve, reject) => {
        client.request({ ':path': '/' }).on('response', resolve).on('error', reject).resume();
      });
    const early = await opened();
    await ask(early);
    await app.load();
    const earlyClosed = new Promise((done) => early.once('close', done));
    assert.equal(await app.engine('disableKeepAlive'), 1);
    await earlyClosed;
    const late = await opened();
    const lateClosed = new Promise((done) => late.once('close', done));
    await ask(late);
    await lateClosed;
    await app.engine('enableKeepAlive');
    const kept = await opened();
    t.after(() => kept.destroy());
    await ask(kept);
    await ask(kept);
    assert.equal((await app.run(({ vars }) => vars.server.listenerCount('session'), [])) <= 1, true);
  });
});
