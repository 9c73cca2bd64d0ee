import assert from 'node:assert/strict';
import { chmodSync, statSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { type App, folder, get, onEveryNode, plainApp, portOf, start, until } from './helper.ts';

const drain = async (app: App, to = 0) => {
  await app.engine('drain', [{ budgetMs: 3_000, graceMs: 0 }], to);
  assert.equal(await state(app, to), 'drained');
};
const resume = (app: App, to = 0) => app.engine<string[]>('resume', [], to);
const state = (app: App, to = 0) => app.engine<string>('state', [], to);
const refused = { code: 'ECONNREFUSED' };

/** A port that nobody listens on right now. */
async function freePort(host?: string): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((done) => server.listen(0, host, done));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

onEveryNode('listening', (node) => {
  const forms: [string, () => Promise<unknown[]>, string][] = [
    ['listen(port)', async () => [await freePort()], '127.0.0.1'],
    ['listen(port, host)', async () => [await freePort('127.0.0.1'), '127.0.0.1'], '127.0.0.1'],
    ["listen(port, '::')", async () => [await freePort(), '::'], '::1'],
    ['listen(0)', async () => [0], '127.0.0.1'],
    ["listen({ host: 'localhost' })", async () => [{ port: 0, host: 'localhost' }], 'localhost'],
    [
      'listen({ exclusive: true })',
      async () => [{ port: await freePort(), host: '127.0.0.1', exclusive: true }],
      '127.0.0.1',
    ],
  ];
  for (const [name, listenArgs, host] of forms) {
    for (const workers of [0, 1]) {
      test(`after ${name} ${workers ? 'in a cluster worker' : 'in a plain process'}, a drained app refuses connections and a resumed one is back on its port`, async (t) => {
        const app = await start(t, node, plainApp, [await listenArgs()], { workers });
        const port = await portOf(app);
        const before = await app.run(({ vars }) => vars.server._connectionKey, []);
        await app.load();
        assert.equal(await state(app), 'serving');
        for (let round = 0; round < 2; round++) {
          await drain(app);
          await until('the port is closed', () =>
            get({ host, port }).then(
              () => false,
              (error) => error.code === 'ECONNREFUSED',
            ),
          );
          assert.equal(await app.run(({ vars }) => vars.server.listening, []), true);
          assert.equal(await portOf(app), port);
          assert.match((await resume(app)).join(), new RegExp(`:${port}$`));
          assert.equal(await state(app), 'serving');
          assert.match((await get({ host, port })).body, /^hello/);
        }
        assert.equal(await app.run(({ vars }) => vars.server._connectionKey, []), before);
        assert.deepEqual(await app.run(({ vars }) => vars.events, []), ['listening']);
        assert.deepEqual(await app.run(({ vars }) => Object.hasOwn(vars.server, 'emit'), []), false);
        assert.equal((await app.run(({ vars }) => vars.server.rawListeners('listening').length, [])) <= 2, true);
      });
    }
  }

  for (const workers of [0, 1]) {
    test(`a unix socket comes back with its file mode ${workers ? 'in a cluster worker' : 'in a plain process'}`, async (t) => {
      const path = join(folder, `${process.hrtime.bigint()}.sock`);
      const app = await start(t, node, plainApp, [[path]], { workers });
      chmodSync(path, 0o660);
      await app.load();
      assert.deepEqual(
        (await app.engine<{ address: string }[]>('servers')).map((server) => server.address),
        [path],
      );
      await drain(app);
      await assert.rejects(get({ socketPath: path }), { code: /ENOENT|ECONNREFUSED/ });
      assert.deepEqual(await resume(app), [path]);
      assert.match((await get({ socketPath: path })).body, /^hello/);
      assert.equal(statSync(path).mode & 0o777, 0o660);
    });

    test(`the app can close its server while drained, and it stays closed ${workers ? 'in a cluster worker' : 'in a plain process'}`, async (t) => {
      const app = await start(t, node, plainApp, [], { workers });
      const port = await portOf(app);
      await app.load();
      await drain(app);
      const error = await app.run(
        ({ vars }) => new Promise((done) => vars.server.close((e: unknown) => done(e ?? null))),
        [],
      );
      assert.equal(error, null);
      assert.deepEqual(await app.run(({ vars }) => vars.events, []), ['listening', 'close']);
      assert.deepEqual(await resume(app), []);
      assert.equal(await state(app), 'no-server');
      await assert.rejects(get({ host: '127.0.0.1', port }), refused);
    });
  }

  test('all servers of a process are drained and resumed', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.run(async ({ require, vars, listening }) => {
      vars.metrics = (require('node:net') as typeof net).createServer((socket) => socket.end('metrics')).listen(0);
      await listening(vars.metrics);
    }, []);
    const other = await app.run(({ vars }) => vars.metrics.address().port as number, []);
    await app.load();
    assert.deepEqual((await app.engine<{ kind: string }[]>('servers')).map(({ kind }) => kind).sort(), ['http', 'net']);
    await drain(app);
    await assert.rejects(get({ host: '127.0.0.1', port: other }), refused);
    await assert.rejects(get({ host: '127.0.0.1', port: await portOf(app) }), refused);
    assert.equal((await resume(app)).length, 2);
  });

  test('a port that somebody took meanwhile is reported, the other servers listen again, and a second resume repairs it', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.run(async ({ require, vars, listening }) => {
      vars.other = (require('node:http') as typeof import('node:http'))
        .createServer((_, r) => r.end('other'))
        .listen(0);
      await listening(vars.other);
    }, []);
    const port = await portOf(app);
    const other = await app.run(({ vars }) => vars.other.address().port as number, []);
    await app.load();
    await drain(app);
    const thief = net.createServer();
    await new Promise<void>((done) => thief.listen(port, '127.0.0.1', done));
    await assert.rejects(resume(app), new RegExp(`1 server.*127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
    assert.equal((await get({ host: '127.0.0.1', port: other })).body, 'other');
    assert.equal(await state(app), 'drained');
    assert.deepEqual(await app.run(({ vars }) => vars.events, []), ['listening']);
    await new Promise((done) => thief.close(done));
    await resume(app);
    assert.equal(await state(app), 'serving');
    assert.match((await get({ host: '127.0.0.1', port })).body, /^hello/);
  });

  test('a drained process stays up although nothing else keeps it alive', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    await drain(app);
    // Without its IPC channel only the stub of the listening socket is left.
    app.child.disconnect();
    const exited = await Promise.race([app.died, new Promise((done) => setTimeout(done, 300, 'alive'))]);
    assert.equal(exited, 'alive');
  });

  test('a server that begins to listen while drained is left alone', async (t) => {
    const app = await start(t, node, plainApp, []);
    await app.load();
    await drain(app);
    await app.run(async ({ require, vars, listening }) => {
      vars.late = (require('node:http') as typeof import('node:http')).createServer((_, r) => r.end('late')).listen(0);
      await listening(vars.late);
    }, []);
    const late = await app.run(({ vars }) => vars.late.address().port as number, []);
    assert.deepEqual(await get({ port: late, headers: { connection: 'keep-alive' } }), {
      status: 200,
      connection: 'keep-alive',
      body: 'late',
    });
    assert.equal((await resume(app)).length, 2);
    assert.equal((await get({ port: late })).body, 'late');
  });

  test('resume during a drain ends it and serves on', async (t) => {
    const app = await start(t, node, plainApp, []);
    const port = await portOf(app);
    await app.load();
    const slow = get({ host: '127.0.0.1', port, path: '/?ms=400' });
    await until(
      'the request is in flight',
      async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 1,
    );
    const draining = app.engine('drain', [{ budgetMs: 20_000 }]);
    await until('it drains', async () => (await state(app)) === 'draining');
    await resume(app);
    await draining;
    assert.equal(await state(app), 'serving');
    assert.match((await slow).body, /^waited/);
    assert.match((await get({ host: '127.0.0.1', port })).body, /^hello/);
  });
});
