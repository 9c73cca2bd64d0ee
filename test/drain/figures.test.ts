import assert from 'node:assert/strict';
import type http from 'node:http';
import { test } from 'node:test';
import { figuresOf, outcomesOf, startCounting, startFarEnd } from '../support/countingClients.ts';
import { type App, connect, type Inside, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const host = '127.0.0.1';

type Result = {
  finished: number;
  closed: number;
  cut: number;
  left?: number;
  cutRequests?: { method: string; path: string }[];
  leftRequests?: { method: string; path: string }[];
};

async function everyStream({ require, vars, listening }: Inside) {
  const { serve } = require('../apps/every-stream.cjs') as {
    serve(ports: object): Record<string, http.Server>;
  };
  vars.servers = serve({ http: 0, h2c: 0, raw: 0 });
  for (const server of Object.values(vars.servers as Record<string, http.Server>))
    if (!server.listening) await listening(server);
}

const portsOf = (app: App): Promise<{ http: number; h2c: number; raw: number }> =>
  app.run(
    ({ vars }) =>
      Object.fromEntries(
        Object.entries(vars.servers as Record<string, http.Server>).map(([name, server]) => [
          name,
          (server.address() as { port: number }).port,
        ]),
      ) as { http: number; h2c: number; raw: number },
    [],
  );

onEveryNode('the figures of a drain', (node) => {
  for (const [what, ms, budgetMs] of [
    ['everything is finished in time', 1_500, 3_000],
    ['nothing ends by itself', 60_000, 1_000],
  ] as const) {
    test(`are those that its clients counted, when ${what}`, async (t) => {
      const app = await start(t, node, everyStream, []);
      const counting = await startCounting(t, { ...(await portsOf(app)), ...(await startFarEnd(t)) }, ms);
      await app.load();
      const draining = app.engine<Result>('drain', [{ budgetMs }]);
      await until('it drains', async () => (await app.engine('state')) === 'draining');
      counting.leave();
      const { finished, closed, cut } = await draining;
      await counting.over();
      assert.deepEqual({ finished, closed, cut }, figuresOf(counting.clients), outcomesOf(counting.clients));
      assert.equal(cut > 0, ms > budgetMs, outcomesOf(counting.clients));
      assert.deepEqual(
        counting.clients.filter(({ strange }) => strange !== ''),
        [],
      );
    });
  }

  test('of a dump are those, too: what is not finished is left and never cut', async (t) => {
    const app = await start(t, node, everyStream, []);
    const counting = await startCounting(t, { ...(await portsOf(app)), ...(await startFarEnd(t)) }, 4_000);
    await app.load();
    const draining = app.engine<Result>('drain', [{ budgetMs: 2_000, unfinished: 'leave' }]);
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    counting.leave();
    const { left, leftRequests, ...figures } = await draining;
    assert.deepEqual(figures, figuresOf(counting.clients), outcomesOf(counting.clients));
    const open = counting.clients.filter(({ isOpen }) => isOpen);
    assert.equal(left, open.length, outcomesOf(counting.clients));
    assert.equal(leftRequests?.length, 10);
    await app.engine('resume');
    await counting.over();
    const { cut } = figuresOf(counting.clients);
    assert.equal(cut, 0, outcomesOf(counting.clients));
    assert.deepEqual(
      counting.clients.filter(({ strange }) => strange !== ''),
      [],
    );
  });

  const request = (path: string, headers = '') => `GET ${path} HTTP/1.1\r\nHost: x\r\n${headers}\r\n`;
  const connections = (app: App, count: number) =>
    until(
      `${count} connections`,
      async () => (await app.engine<{ connections: number }>('totals')).connections === count,
    );
  const namesOf = ({ cutRequests = [] }: Result) => cutRequests.map(({ method, path }) => `${method} ${path}`);

  test('count every pipelined request that was cut, also those that came before the engine, by name', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write(request('/first?ms=60000') + request('/second') + request('/third?ms=9') + request('/last'));
    await until('all have come', async () => (await app.run(({ vars }) => vars.requests, [])) === 4);
    await app.load();
    const drained = await app.engine<Result>('drain', [{ budgetMs: 300 }]);
    assert.deepEqual(
      { ...drained, cutRequests: namesOf(drained) },
      { finished: 0, closed: 0, cut: 4, cutRequests: ['GET /first', 'GET /second', 'GET /third', 'GET /last'] },
    );
    assert.deepEqual(
      await app.run(
        ({ require }) => Object.hasOwn((require('node:http') as typeof http).IncomingMessage.prototype, 'destroy'),
        [],
      ),
      false,
    );
  });

  test('count a request that crossed the end of its idle connection as cut', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app), allowHalfOpen: true });
    wire.socket.write(request('/'));
    await wire.until((text) => text.includes('hello'));
    await app.load();
    await connections(app, 1);
    const draining = app.engine<Result>('drain', [{ budgetMs: 5_000, graceMs: 100 }]);
    await until('the end', () => wire.ended);
    wire.socket.write(request('/late?secret=1'));
    wire.socket.end();
    const drained = await draining;
    assert.deepEqual(
      { ...drained, cutRequests: namesOf(drained) },
      { finished: 0, closed: 0, cut: 1, cutRequests: ['GET /late'] },
    );
    assert.equal(await app.run(({ vars }) => vars.requests, []), 1);
  });

  test("count an idle connection that Node's own keep-alive timeout closes, and none that its client closes", async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.run(({ vars }) => {
      vars.server.keepAliveTimeout = 100;
    }, []);
    const port = await portOf(app);
    const wires = await Promise.all([connect({ host, port }), connect({ host, port })]);
    for (const wire of wires) wire.socket.write(request('/'));
    await Promise.all(wires.map((wire) => wire.until((text) => text.includes('hello'))));
    await app.load();
    await connections(app, 2);
    const draining = app.engine<Result>('drain', [{ budgetMs: 20_000 }]);
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    wires[0]?.socket.end();
    assert.deepEqual(await draining, { finished: 0, closed: 1, cut: 0 });
  });

  test('count a request once that was answered before its body was whole', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside) => {
        vars.server = (require('node:http') as typeof http).createServer((request, response) => {
          request.resume();
          setTimeout(() => response.end('early'), 200);
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [],
    );
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf');
    await app.load();
    await connections(app, 1);
    assert.deepEqual(await app.engine('drain', [{ budgetMs: 600 }]), { finished: 1, closed: 0, cut: 0 });
    assert.match(wire.received, /early/);
  });
});

onEveryNode('a drain for a dump', (node) => {
  test("leaves an idle connection to its client for the server's keepAliveTimeout and the second that Node adds", async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.run(({ vars }) => {
      vars.server.keepAliveTimeout = 300;
    }, []);
    const wire = await connect({ host, port: await portOf(app) });
    await app.load();
    await until('it is known', async () => (await app.engine<{ connections: number }>('totals')).connections === 1);
    const draining = app.engine<Result>('drain', [{ budgetMs: 10_000, unfinished: 'leave' }]);
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    // Past the one, and not yet past the other.
    await new Promise((done) => setTimeout(done, 900));
    wire.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    await wire.until((text) => text.includes('hello'));
    assert.deepEqual(await draining, { finished: 1, closed: 0, cut: 0 });
  });

  test('becomes that of a process which leaves when a signal comes: then the budget cuts what would have been left', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    wire.socket.write('GET /?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n');
    await app.load();
    await until('in flight', async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 1);
    const dump = app.engine<Result>('drain', [{ budgetMs: 30_000, unfinished: 'leave' }]);
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    assert.equal(await app.engine('leaving'), false);
    const leave = app.engine<Result>('drain', [{ budgetMs: 400, last: true }]);
    for (const { cut, left } of [await leave, await dump]) assert.deepEqual({ cut, left }, { cut: 1, left: undefined });
    assert.equal(await app.engine('leaving'), true);
    await wire.closed;
  });

  test('of a process that leaves, it listens no more when the engine is taken out', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    await app.load();
    await app.engine('drain', [{ budgetMs: 300, last: true }]);
    await assert.rejects(app.engine('resume'), /on its way out/);
    await app.engine('dispose');
    await assert.rejects(connect({ host, port }), { code: 'ECONNREFUSED' });
  });
});
