import assert from 'node:assert/strict';
import type http from 'node:http';
import { test } from 'node:test';
import { connect, get, type Inside, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const host = '127.0.0.1';
const CHANNELS = [
  'net.server.socket',
  'tracing:net.server.listen:asyncStart',
  'tracing:net.server.listen:asyncEnd',
  'http.server.request.start',
  'http.server.response.finish',
];
const subscribed = ({ require }: Inside, names: string[]) =>
  names.filter((name) =>
    (require('node:diagnostics_channel') as typeof import('node:diagnostics_channel')).hasSubscribers(name),
  );

onEveryNode('leaves nothing', (node) => {
  test('while just serving nothing of ours runs per request', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    assert.equal(await app.engine('state'), 'serving');
    const perRequest = CHANNELS.filter((name) => name.startsWith('http.'));
    assert.deepEqual(await app.run(subscribed, [perRequest]), []);
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    assert.deepEqual(await app.run(subscribed, [perRequest]), ['http.server.request.start']);
    await app.engine('resume');
    assert.deepEqual(await app.run(subscribed, [perRequest]), []);
  });

  for (const workers of [0, 1]) {
    test(`dispose takes everything out again, and a drained app listens again ${workers ? 'in a cluster worker' : 'in a plain process'}`, async (t) => {
      const app = await start(t, node, plainApp, [], { workers });
      const port = await portOf(app);
      const look = ({ require, vars }: Inside) => ({
        listeners: vars.server.eventNames().map((name: string) => [String(name), vars.server.listenerCount(name)]),
        own: Object.keys(vars.server).sort(),
        handle: vars.server._handle.constructor.name,
        response: Object.getOwnPropertyNames((require('node:http') as typeof http).ServerResponse.prototype).sort(),
        globals: Object.getOwnPropertySymbols(globalThis).map(String),
        send: String(process.send),
      });
      const before = await app.run(look, []);
      await app.load();
      await app.engine('disableKeepAlive');
      await app.engine('drain', [{ budgetMs: 1_000 }]);
      await assert.rejects(get({ host, port }), { code: 'ECONNREFUSED' });
      await app.engine('dispose');
      assert.equal((await get({ host, port, headers: { connection: 'keep-alive' } })).connection, 'keep-alive');
      assert.deepEqual(await app.run(subscribed, [CHANNELS]), []);
      assert.deepEqual(await app.run(look, []), before);
    });
  }

  test('a process with a disposed engine ends by itself', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    await app.engine('dispose');
    await app.run(({ vars }) => void vars.server.close(), []);
    app.child.disconnect();
    assert.equal(await app.died, 'exit 0');
  });

  test('an engine that just serves does not keep a process alive', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    await app.engine('servers');
    await app.run(({ vars }) => void vars.server.close(), []);
    app.child.disconnect();
    assert.equal(await app.died, 'exit 0');
  });

  test('a drain that is running does not keep a process alive whose server the app closes', async (t) => {
    const app = await start(t, node, plainApp, []);
    const wire = await connect({ host, port: await portOf(app) });
    await app.load();
    await until('it is accepted', async () => (await app.engine<{ connections: number }>('totals')).connections === 1);
    await app.run(({ engine }) => void engine.drain({ budgetMs: 50_000, graceMs: 40_000 }), []);
    await app.run(({ vars }) => void vars.server.close(), []);
    wire.socket.destroy();
    app.child.disconnect();
    assert.equal(await app.died, 'exit 0');
  });

  test('closed servers are not kept in memory', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    const collected = await app.run(async ({ require, engine, listening }) => {
      (require('node:v8') as typeof import('node:v8')).setFlagsFromString('--expose-gc');
      const gc = (require('node:vm') as typeof import('node:vm')).runInNewContext('gc') as () => void;
      let count = 0;
      const registry = new FinalizationRegistry(() => count++);
      for (let i = 0; i < 5; i++) {
        const server = (require('node:http') as typeof http).createServer().listen(0);
        await listening(server);
        engine.servers();
        await new Promise((done) => server.close(done));
        registry.register(server, i);
      }
      for (let i = 0; i < 50 && count < 4; i++) {
        await new Promise((done) => setTimeout(done, 10));
        gc();
      }
      return count;
    }, []);
    assert.equal(collected >= 4, true, `${collected} of 5 collected`);
  });

  test('an exception provoked in every subscriber does not end the app', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    await app.load();
    await app.engine('disableKeepAlive');
    const slow = get({ host, port, path: '/?ms=300' });
    await until('in flight', async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 1);
    await app.run(({ engine }) => void engine.drain({ budgetMs: 5_000 }), []);
    assert.deepEqual(await app.run(subscribed, [CHANNELS]), CHANNELS);
    await app.run(
      ({ require }, names) => {
        const { channel } = require('node:diagnostics_channel') as typeof import('node:diagnostics_channel');
        const trap = new Proxy(
          {},
          {
            get() {
              throw new Error('provoked');
            },
          },
        );
        for (const name of names) for (const message of [undefined, null, {}, trap]) channel(name).publish(message);
      },
      [CHANNELS],
    );
    assert.match((await slow).body, /^waited/);
    await until('it is drained', async () => (await app.engine('state')) === 'drained');
    await app.engine('resume');
    assert.match((await get({ host, port })).body, /^hello/);
    assert.equal(app.errors, '');
  });

  test('a listener of onState that throws does not end the app, and the states are told in order', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    await app.run(({ engine, vars }) => {
      vars.states = [];
      engine.onState(() => {
        throw new Error('provoked');
      });
      engine.onState((state) => vars.states.push(state));
    }, []);
    await app.engine('drain', [{ budgetMs: 1_000 }]);
    await app.engine('resume');
    assert.deepEqual(await app.run(({ vars }) => vars.states, []), ['draining', 'drained', 'serving']);
  });
});
