import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { type App, connect, get, type Inside, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const host = '127.0.0.1';
type Result = { finished: number; closed: number; cut: number };
const drain = (app: App, options: object) => app.engine<Result>('drain', [options]);
const isDraining = (app: App) => until('it drains', async () => (await app.engine('state')) === 'draining');
const inFlight = (app: App, count: number) =>
  until(`${count} in flight`, async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === count);
const request = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
const count = (text: string, part: string | RegExp) => text.split(part).length - 1;

onEveryNode('requests', (node) => {
  test('a request in flight is answered, its connection ends, and the drain is over then and not later', async (t) => {
    const app = await start(t, node, plainApp, []);
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => agent.destroy());
    const answer = get({ host, port: await portOf(app), path: '/?ms=300', agent });
    await app.load();
    await inFlight(app, 1);
    const started = Date.now();
    const result = await drain(app, { budgetMs: 20_000 });
    assert.equal(Date.now() - started < 2_000, true);
    assert.deepEqual(result, { finished: 1, closed: 0, cut: 0 });
    const { body, connection } = await answer;
    assert.match(body, /^waited/);
    assert.equal(connection, 'close');
  });

  test('drain answers the request that is already on the wire of an idle connection', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/'));
    await wire.until((text) => text.includes('hello'));
    await app.load();
    const draining = drain(app, { budgetMs: 10_000 });
    await isDraining(app);
    wire.socket.write(request('/?ms=20'));
    await wire.closed;
    assert.match(wire.received, /waited \d+/);
    assert.match(wire.received, /Connection: close/);
    assert.equal(wire.ended, true);
    assert.equal(wire.error, undefined);
    assert.deepEqual(await draining, { finished: 1, closed: 0, cut: 0 });
  });

  test('what a client sends after the last response neither resets its connection nor reaches the app', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app), allowHalfOpen: true });
    wire.socket.write(request('/'));
    await wire.until((text) => text.includes('hello'));
    await app.load();
    const draining = drain(app, { budgetMs: 10_000 });
    await isDraining(app);
    wire.socket.write(request('/'));
    await until('our side is ended', () => wire.ended);
    const written = new Promise((done) => wire.socket.write(request('/'), done));
    await written;
    // A reset would come back on the next write, or instead of a clean close.
    await new Promise((done) => wire.socket.write(request('/'), done));
    wire.socket.end();
    await wire.closed;
    assert.equal(wire.error, undefined);
    assert.deepEqual(await draining, { finished: 1, closed: 0, cut: 0 });
    assert.equal(await app.run(({ vars }) => vars.requests, []), 2);
  });

  test('an idle connection that stays silent sees an end and not a reset when its grace is over', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/'));
    await wire.until((text) => text.includes('hello'));
    await app.load();
    const started = Date.now();
    const draining = drain(app, { budgetMs: 10_000, graceMs: 400 });
    await wire.closed;
    const took = Date.now() - started;
    assert.equal(took >= 350 && took < 3_000, true, `${took} ms`);
    assert.equal(wire.ended, true);
    assert.equal(wire.error, undefined);
    assert.deepEqual(await draining, { finished: 0, closed: 1, cut: 0 });
  });

  test('a client that connected and sent nothing does not hold the drain past its grace', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    await app.load();
    await until('it is accepted', async () => (await app.engine<{ connections: number }>('totals')).connections === 1);
    assert.deepEqual(await drain(app, { budgetMs: 10_000, graceMs: 100 }), { finished: 0, closed: 1, cut: 0 });
    assert.equal(wire.error, undefined);
  });

  test('half a request is waited for, and cut when the budget is over', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    const [stuck, slow] = [await connect({ host, port }), await connect({ host, port })];
    for (const wire of [stuck, slow]) {
      wire.socket.write(request('/'));
      await wire.until((text) => text.includes('hello'));
      wire.socket.write('GET / HTTP/1.1\r\nHo');
    }
    await app.load();
    const draining = drain(app, { budgetMs: 1_200, graceMs: 50 });
    await isDraining(app);
    await until('the grace is over', async () => (await app.engine('state')) === 'draining');
    await new Promise((done) => setTimeout(done, 300)); // Past the grace: this is the time in which it must survive.
    slow.socket.write('st: x\r\n\r\n');
    await slow.until((text) => count(text, 'hello') === 2);
    assert.deepEqual(await draining, {
      finished: 1,
      closed: 0,
      cut: 1,
      cutRequests: [{ method: 'half a request', path: `from 127.0.0.1:${stuck.localPort}` }],
    });
  });

  test('the budget is kept even if a response never comes, and its client is told', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/?ms=60000'));
    await app.load();
    await inFlight(app, 1);
    const started = Date.now();
    const result = await drain(app, { budgetMs: 500 });
    const took = Date.now() - started;
    assert.deepEqual(result, { finished: 0, closed: 0, cut: 1, cutRequests: [{ method: 'GET', path: '/' }] });
    // The response would take a minute.
    assert.equal(took >= 400 && took < 10_000, true, `${took} ms`);
    await wire.closed;
    assert.match(wire.received, /^HTTP\/1\.1 503 .*Connection: close/s);
    assert.match(await app.run(() => 'alive', []), /alive/);
  });

  test('a second drain joins the first, and the earlier end wins', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/?ms=60000'));
    await app.load();
    await inFlight(app, 1);
    const started = Date.now();
    const [first, second] = await Promise.all([drain(app, { budgetMs: 30_000 }), drain(app, { budgetMs: 300 })]);
    assert.equal(Date.now() - started < 3_000, true);
    assert.deepEqual(first, second);
    assert.equal(first.cut, 1);
  });

  const forms: [string, (response: http.ServerResponse) => void][] = [
    ['setHeader', (response) => response.setHeader('Connection', 'keep-alive')],
    [
      'setHeader and writeHead',
      (response) => {
        response.setHeader('connection', 'Keep-Alive');
        response.writeHead(200, { 'Keep-Alive': 'timeout=5' });
      },
    ],
    ['writeHead with an object', (response) => response.writeHead(200, { Connection: 'keep-alive', 'X-Other': '1' })],
    [
      'writeHead with a flat array',
      (response) => response.writeHead(200, ['Connection', 'keep-alive', 'X-Other', '1'] as unknown as undefined),
    ],
    [
      'writeHead with pairs',
      (response) =>
        response.writeHead(200, [
          ['CONNECTION', 'keep-alive'],
          ['X-Other', '1'],
        ] as unknown as undefined),
    ],
    ['setHeaders with a Map', (response) => response.setHeaders(new Map([['connection', 'keep-alive']]))],
    ['removeHeader', (response) => response.removeHeader('connection')],
    ['nothing', () => {}],
  ];
  for (const [name, say] of forms) {
    test(`an app that asks to keep the connection by ${name} is overruled, before and after the drain begins`, async (t) => {
      const app = await start(
        t,
        node,
        async ({ require, vars, listening }: Inside, source: string) => {
          const say = new Function('response', `(${source})(response)`);
          vars.server = (require('node:http') as typeof http).createServer((req, response) => {
            const answer = () => {
              say(response);
              response.end('said');
            };
            if (req.url === '/slow') setTimeout(answer, 100);
            else answer();
          });
          vars.server.listen(0, '127.0.0.1');
          await listening(vars.server);
        },
        [String(say)],
      );
      const port = await portOf(app);
      const [early, idle] = [await connect({ host, port }), await connect({ host, port })];
      idle.socket.write(request('/'));
      await idle.until((text) => text.includes('said'));
      assert.doesNotMatch(idle.received, /connection: close/i);
      early.socket.write(request('/slow'));
      await app.load();
      await inFlight(app, 1);
      const draining = drain(app, { budgetMs: 10_000 });
      await isDraining(app);
      idle.socket.write(request('/'));
      await Promise.all([early.closed, idle.closed]);
      for (const wire of [early, idle]) {
        assert.equal(count(wire.received, /connection: close\r\n/i), 1, wire.received);
        assert.match(wire.received, /said(\r\n0\r\n\r\n)?$/);
        assert.equal(wire.ended, true);
        assert.equal(wire.error, undefined);
      }
      assert.doesNotMatch(early.received, /keep-alive/i);
      if (name.startsWith('writeHead')) assert.match(early.received, /X-Other: 1/);
      assert.deepEqual(await draining, { finished: 2, closed: 0, cut: 0 });
    });
  }

  for (const ms of [0, 30]) {
    test(`of pipelined requests all are answered and only the last ends the connection (${ms ? 'answered later' : 'answered at once'})`, async (t) => {
      const app = await start(t, node, plainApp, []);
      const wire = await connect({ host, port: await portOf(app) });
      wire.socket.write(request('/'));
      await wire.until((text) => text.includes('hello'));
      wire.received = '';
      await app.load();
      const draining = drain(app, { budgetMs: 10_000 });
      await isDraining(app);
      wire.socket.write(request(`/?ms=${ms}`).repeat(3));
      await wire.closed;
      assert.equal(count(wire.received, 'HTTP/1.1 200 OK'), 3, wire.received);
      assert.equal(count(wire.received, 'Connection: close'), 1);
      assert.equal(wire.received.lastIndexOf('Connection: close') > wire.received.lastIndexOf('HTTP/1.1'), true);
      assert.equal(wire.error, undefined);
      assert.deepEqual(await draining, { finished: 3, closed: 0, cut: 0 });
    });
  }

  test('pipelined requests that were waiting when the drain began are all answered', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/?ms=200') + request('/') + request('/?ms=300'));
    await app.load();
    await until('all have arrived', async () => (await app.run(({ vars }) => vars.requests, [])) === 3);
    const result = await drain(app, { budgetMs: 10_000 });
    await wire.closed;
    assert.equal(count(wire.received, 'HTTP/1.1 200 OK'), 3);
    assert.deepEqual(result, { finished: 3, closed: 0, cut: 0 });
  });

  test('a slow download is finished to its last byte', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        vars.server = (require('node:http') as typeof http).createServer((_, response) => {
          response.writeHead(200, { 'Content-Length': 8_000_000 });
          response.end(Buffer.alloc(8_000_000, 'x'));
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/'));
    await wire.until((text) => text.length > 1000);
    wire.socket.pause();
    await app.load();
    await inFlight(app, 1);
    const draining = drain(app, { budgetMs: 20_000, graceMs: 50 });
    await isDraining(app);
    const trickle = setInterval(() => {
      wire.socket.resume();
      setTimeout(() => wire.socket.pause(), 5);
    }, 20);
    t.after(() => clearInterval(trickle));
    await wire.until((text) => text.length > 8_000_000);
    clearInterval(trickle);
    wire.socket.resume();
    await wire.closed;
    assert.equal(wire.received.split('\r\n\r\n')[1]?.length, 8_000_000);
    assert.equal(wire.error, undefined);
    const { cut, finished } = await draining;
    assert.deepEqual({ cut, finished }, { cut: 0, finished: 1 });
  });

  for (const early of [false, true]) {
    test(`a slow upload is received whole ${early ? 'although it was answered at its beginning' : 'and then answered'}`, async (t) => {
      const app = await start(
        t,
        node,
        async ({ require, vars, listening }: Inside, answerEarly: boolean) => {
          vars.server = (require('node:http') as typeof http).createServer((req, response) => {
            vars.bytes = 0;
            if (answerEarly) setTimeout(() => response.end('early'), 100);
            req.on('data', (chunk) => {
              vars.bytes += chunk.length;
            });
            req.on('end', () => {
              vars.whole = true;
              if (!answerEarly) response.end(`got ${vars.bytes}`);
            });
          });
          vars.server.listen(0, '127.0.0.1');
          await listening(vars.server);
        },
        [early],
      );
      const wire = await connect({ host, port: await portOf(app) });
      wire.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n');
      await app.load();
      await inFlight(app, 1);
      const draining = drain(app, { budgetMs: 10_000, graceMs: 50 });
      await isDraining(app);
      for (let part = 0; part < 10; part++) {
        wire.socket.write(Buffer.alloc(100_000, 'u'));
        await new Promise((done) => setTimeout(done, 30)); // Slow is what is tested.
      }
      await wire.closed;
      assert.match(wire.received, early ? /early/ : /got 1000000/);
      assert.equal(wire.error, undefined);
      assert.equal((await draining).cut, 0);
      assert.deepEqual(await app.run(({ vars }) => [vars.whole, vars.bytes], []), [true, 1_000_000]);
    });
  }
});
