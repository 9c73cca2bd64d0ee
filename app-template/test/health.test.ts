import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { it, type TestContext } from 'node:test';
import { ask, freePort, start, until } from './service.js';

/** Speaks as much of Redis as the service asks for. */
async function startFakeRedis(t: TestContext, port: number): Promise<() => Promise<void>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const [, name] of text.matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        const info = 'redis_version:7.0.0\r\nloading:0\r\n';
        const answers: Record<string, string> = { ping: '+PONG', incr: ':1', info: `$${info.length}\r\n${info}` };
        socket.write(`${answers[String(name).toLowerCase()] ?? '+OK'}\r\n`);
      }
    });
  });
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  t.after(stop);
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return stop;
}

it('is ready while its resources are; lost, it is alive but not ready; back, it is ready again', async (t) => {
  const redisPort = await freePort();
  const stopRedis = await startFakeRedis(t, redisPort);
  const service = start(t, { REDIS_URL: `redis://me:secret@127.0.0.1:${redisPort}` });
  const port = await service.port();
  const ready = async () => {
    const { status, body } = await ask(port, '/health/ready');
    return `${status} ${body}`;
  };
  assert.equal(await ready(), '200 {"status":"ready"}');
  assert.equal((await ask(port, '/visits', { method: 'POST' })).status, 200);

  await stopRedis();
  await until('readiness to see it', async () => (await ready()) === '503 {"status":"unavailable"}');
  const alive = await ask(port, '/health/live');
  assert.deepEqual([alive.status, alive.body], [200, '{"status":"alive"}']);
  const failed = await ask(port, '/visits', { method: 'POST' });
  assert.equal(failed.status, 500);
  assert.deepEqual(JSON.parse(failed.body), { error: 'internal error', requestId: failed.headers['x-request-id'] });
  await service.logged(/^redis is not healthy: /);

  await startFakeRedis(t, redisPort);
  await until('it to be back', async () => (await ready()) === '200 {"status":"ready"}');
  await service.logged(/^redis is healthy again$/);
  assert.equal(service.log().filter(({ message }) => /healthy/.test(message)).length, 2);
  assert.doesNotMatch(service.stdout, /secret/);
});

it('is not ready, but alive, from the moment that it is told to leave', async (t) => {
  const service = start(t, { kill_timeout: '20000' });
  const port = await service.port();
  const [first, second] = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all([once(first, 'connect'), once(second, 'connect')]);
  assert.equal((await ask(port)).status, 200); // So both are taken.
  service.child.kill('SIGTERM');
  await until('it not to listen', () =>
    ask(port).then(
      () => false,
      () => true,
    ),
  );
  const answer = async (socket: Socket, path: string) => {
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return String((await once(socket, 'data'))[0]);
  };
  assert.match(
    await answer(first, '/health/ready'),
    /^HTTP\/1\.1 503 [\s\S]*Connection: close[\s\S]*\{"status":"draining"\}$/,
  );
  assert.match(await answer(second, '/health/live'), /^HTTP\/1\.1 200 [\s\S]*\{"status":"alive"\}$/);
  assert.equal(await service.exit(), '0');
  assert.match((await service.logged(/^SIGTERM: drained/)).message, /[2-9] finished, \d+ closed, 0 cut$/);
});
