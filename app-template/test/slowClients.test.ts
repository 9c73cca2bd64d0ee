import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import { ask, start, until } from './service.js';

/** Sends one byte of a header at a time, for ever; resolves to what it got when it was closed. */
async function startSlowLoris(t: TestContext, port: number): Promise<{ closed: Promise<string> }> {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    got += text;
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.write('POST /notes HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  const drip = setInterval(() => socket.write('x'), 50);
  t.after(() => {
    clearInterval(drip);
    socket.destroy();
  });
  socket.once('end', () => clearInterval(drip));
  return { closed: new Promise((resolve) => socket.once('close', () => resolve(got))) };
}

it('gives up on a client that takes too long to send its request, with 408, and serves the others meanwhile', async (t) => {
  const service = start(t, { REQUEST_TIMEOUT_MS: '600' });
  const port = await service.port();
  const slow = await startSlowLoris(t, port);
  assert.equal((await ask(port)).status, 200);
  assert.match(await slow.closed, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.equal((await ask(port)).status, 200);
});

it('is not kept from leaving by such a client', async (t) => {
  const service = start(t, { REQUEST_TIMEOUT_MS: '1500', kill_timeout: '20000' });
  const slow = await startSlowLoris(t, await service.port());
  service.child.kill('SIGINT');
  assert.match(await slow.closed, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.equal(await service.exit(), '0');
  assert.match((await service.logged(/^SIGINT: drained/)).message, / 0 cut$/);
});

it('says once, with both figures, that kill_timeout is shorter than the slowest request', async (t) => {
  const service = start(t, { pm_id: '0', kill_timeout: '400' });
  const port = await service.port();
  for (const _ of [1, 2]) {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"text":',
    );
    setTimeout(() => socket.write('"slow"}'), 700);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 201 /);
    socket.destroy();
  }
  const { level, message } = await service.logged(/took/);
  assert.equal(level, 'warn');
  assert.match(message, /^POST \/notes took \d+ ms, and a reload waits for \d+ ms of kill_timeout 400:/);
  await until('both to be logged', () => service.log().filter((line) => line.message === 'request').length === 2);
  assert.equal(service.log().filter((line) => /took/.test(line.message)).length, 1);
});
