// Whoever the clients are, and however many: a restart of an app that runs alone refuses none of them.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { runOk } from '../../../testkit/run.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor, within } from '../../../testkit/wait-for.ts';
import { startEveryClient } from '../../support/everyClient.ts';
import { rowOf, startPrepared, untilHeld } from './prepared.ts';

/** Beyond the queue of a listening socket (511) the kernel has clients try again after a second, and longer each time. */
const CROWD = 2_000;
const CROWD_WITHIN_MS = 30_000;

async function pidOf(pm2: Pm2, name: string): Promise<number> {
  return (await pm2.processes(name))[0]?.pid ?? 0;
}

/** What a raw TCP client hears first. */
function greeting(port: number, host = '127.0.0.1', says = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => says && socket.write(says));
    socket.once('error', reject);
    socket.once('data', (data) => {
      socket.destroy();
      resolve(data.toString());
    });
  });
}

describe('Clients of a prepared app', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('lose nothing in a restart, whatever they speak', async () => {
    const folder = tempFolder();
    const files = { CERT: join(folder, 'cert.pem'), KEY: join(folder, 'key.pem'), ACKED: join(folder, 'acked') };
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const where = ['-keyout', files.KEY, '-out', files.CERT];
    await runOk('openssl', ['req', '-x509', ...curve, '-subj', '/CN=localhost', ...where], {});
    writeFileSync(files.ACKED, '');
    const ports = { http: 0, https: await freePort(), http2: await freePort(), h2c: await freePort() };
    ports.http = await freePort();
    const env = { PORTS: JSON.stringify(ports), ...files };
    await startPrepared(pm2, 'every', { script: app('every-protocol.cjs'), kill_timeout: 6_000, env }, ports.http);
    await untilAttached(pm2, 'every');
    await untilHeld(pm2, 'every', 4);
    const clients = startEveryClient({ ports, acked: files.ACKED });
    await sleep(1_000);
    await pm2.ok('restart', 'every');
    await untilServing({ port: ports.http });
    await sleep(300);
    const { done, failures, closeCodes, invented } = await clients.stop();
    assert.deepEqual(failures, {}, pm2.logs('every'));
    for (const [kind, count] of Object.entries(done)) assert.ok(count > 1, `${kind}: nothing was done`);
    assert.deepEqual([...new Set(closeCodes)], [1012]);
    assert.deepEqual(invented, []);
  });

  it('of a protocol of its own wait for the next process', async () => {
    const port = await freePort();
    await startPrepared(pm2, 'raw', { script: app('net.cjs'), env: { PORT: port } }, null);
    await untilHeld(pm2, 'raw');
    const before = await pidOf(pm2, 'raw');
    const restarted = pm2.ok('restart', 'raw');
    const pids = new Set<string>();
    while (!pids.has(`pid ${await pidOf(pm2, 'raw')}\n`) || pids.size < 2) {
      pids.add(await within(5_000, 'a greeting', greeting(port)));
    }
    await restarted;
    assert.ok(pids.has(`pid ${before}\n`));
  });

  it('are refused at no moment when it crashes, and five restarts follow each other', async () => {
    const port = await startPrepared(pm2, 'crashes');
    await untilHeld(pm2, 'crashes');
    const load = startLoad({ port, clients: 8, pauseMs: 5, keepAlive: false });
    const before = await pidOf(pm2, 'crashes');
    process.kill(before, 'SIGKILL');
    await waitFor(async () => ![0, before].includes(await pidOf(pm2, 'crashes')), { what: 'the next process' });
    await untilServing({ port });
    for (let round = 0; round < 5; round++) await pm2.ok('restart', 'crashes');
    await untilServing({ port });
    const { failures } = await load.stop();
    // What a process without an agent was answering is cut when it ends.
    const { ECONNRESET: _reset, 'hang up': _ended, ...refused } = failures;
    assert.deepEqual(refused, {});
  });

  it('are all answered when it is restarted again and again as soon as it serves, and is never idle', async () => {
    const port = await startPrepared(pm2, 'busy', { env: { MS: 0, WORK_MS: 10 } });
    await untilAttached(pm2, 'busy');
    await untilHeld(pm2, 'busy');
    const load = startLoad({ port, clients: 16, pauseMs: 0, keepAlive: false });
    for (let round = 0; round < 5; round++) {
      const before = await pidOf(pm2, 'busy');
      await pm2.ok('restart', 'busy');
      await waitFor(async () => (await get({ port })).body !== `pid ${before}\n`, { what: 'the next process' });
    }
    assert.deepEqual((await load.stop()).failures, {});
    assert.doesNotMatch(pm2.logs('busy'), /Debugger/, 'no inspector is needed');
  });

  it('are answered, 2 000 at once, though they come while it boots', async () => {
    const port = await startPrepared(pm2, 'crowd', { env: { MS: 2_000 } });
    await untilAttached(pm2, 'crowd');
    await untilHeld(pm2, 'crowd');
    const before = await pidOf(pm2, 'crowd');
    const restarted = pm2.ok('restart', 'crowd');
    await waitFor(async () => ![0, before].includes(await pidOf(pm2, 'crowd')), { what: 'the next process' });
    const request = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const crowd = Array.from({ length: CROWD }, () => greeting(port, '127.0.0.1', request));
    const answers = await within(CROWD_WITHIN_MS, 'the whole crowd answered', Promise.all(crowd));
    assert.ok(answers.every((answer) => answer.startsWith('HTTP/1.1 200')));
    await restarted;
  });

  for (const [host, at] of [
    ['127.0.0.1', '127.0.0.1'],
    ['::1', '[::1]'],
    ['0:0:0:0:0:0:0:1', '[::1]'],
    ['localhost', '127.0.0.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['::', '[::]'],
  ] as const)
    it(`wait where it listens on ${host}`, async () => {
      const name = `on-${host.replaceAll(':', '_')}`;
      const port = await freePort();
      const options = { script: app('listens-later.cjs'), env: { HOST: host, PORT: port } };
      await startPrepared(pm2, name, options, null);
      assert.deepEqual(await untilHeld(pm2, name), [`${at}:${port}`]);
      const answers = () =>
        greeting(port, host.includes(':') ? '::1' : '127.0.0.1', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      const before = await pidOf(pm2, name);
      await pm2.ok('restart', name);
      assert.match(await within(5_000, 'an answer', answers()), /^HTTP\/1.1 200/);
      assert.notEqual(await pidOf(pm2, name), before);
      const [{ pm2_env } = { pm2_env: { restart_time: -1 } }] = await pm2.processes(name);
      assert.equal(pm2_env.restart_time, 1);
    });

  it('stay with the app that has the port when another one wants it', async () => {
    const port = await startPrepared(pm2, 'first');
    await untilHeld(pm2, 'first');
    const load = startLoad({ port, clients: 4, pauseMs: 5 });
    await startPrepared(pm2, 'second', { env: { PORT: port, MS: 0 }, max_restarts: 2 }, null);
    await waitFor(() => /EADDRINUSE/.test(pm2.logs('second')), { what: 'the second one refused' });
    assert.deepEqual((await rowOf(pm2, 'second')).door.held, []);
    const { failures, servedBy } = await load.stop();
    assert.deepEqual(failures, {});
    assert.deepEqual(Object.keys(servedBy), [String(await pidOf(pm2, 'first'))]);
    await pm2.ok('delete', 'second');
  });
});
