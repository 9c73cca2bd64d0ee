import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { app, tempFolder } from '../../support/folders.ts';
import { startWithModule } from '../../support/installed.ts';
import { startLoad, untilServing } from '../../support/load.ts';
import { isAlive, type Pm2 } from '../../support/pm2.ts';
import { runOk } from '../../support/run.ts';
import { untilAttached } from '../../support/status.ts';
import { freePort, waitFor } from '../../support/wait-for.ts';
import {
  type Client,
  chat,
  events,
  http2Requests,
  pipelined,
  requests,
  sendAfterContinue,
  uploadSlowly,
} from './gracefulClients.ts';

describe('a reload of a plain app, two workers, clients that never retry', () => {
  let pm2: Pm2;
  const folder = tempFolder();
  const files = { CERT: join(folder, 'cert.pem'), KEY: join(folder, 'key.pem'), ACKED: join(folder, 'acked') };
  const ports = { http: 0, https: 0, http2: 0, h2c: 0 };

  before(async () => {
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const where = ['-keyout', files.KEY, '-out', files.CERT];
    await runOk('openssl', ['req', '-x509', ...curve, '-subj', '/CN=localhost', ...where], {});
    writeFileSync(files.ACKED, '');
    for (const name of Object.keys(ports) as (keyof typeof ports)[]) ports[name] = await freePort();
    pm2 = await startWithModule();
    await pm2.startApp({
      name: 'web',
      script: app('every-protocol.cjs'),
      exec_mode: 'cluster',
      instances: 2,
      kill_timeout: 4_000,
      env: { PORTS: JSON.stringify(ports), ...files },
    });
    await untilServing({ port: ports.http });
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  it('loses nothing, whatever they speak', async () => {
    const { http: port } = ports;
    const load = startLoad({ port, clients: 64, path: '/?ms=5', pauseMs: [10, 60] });
    const clients: Record<string, Client> = {
      'slow upload of 1 MB': requests(
        { port, path: '/upload', method: 'POST', send: (request) => uploadSlowly(request, 800) },
        ({ body }) => body === '1048576 bytes',
      ),
      'download over 2 s': requests({ port, path: '/download?ms=2000' }, ({ body }) => body.length === 100_000),
      'long poll of 1.5 s': requests({ port, path: '/?ms=1500' }),
      'pipelined requests': pipelined(port, 5),
      HTTPS: requests({ port: ports.https, path: '/?ms=5', secure: true }),
      'HTTPS download': requests({ port: ports.https, path: '/download?ms=500', secure: true }),
      'HTTP/2 over TLS': http2Requests(`https://127.0.0.1:${ports.http2}`, '/?ms=5'),
      'HTTP/2 over TLS, long': http2Requests(`https://127.0.0.1:${ports.http2}`, '/download?ms=1000'),
      h2c: http2Requests(`http://127.0.0.1:${ports.h2c}`, '/?ms=5'),
      'Expect: 100-continue': requests(
        { port, path: '/upload', method: 'POST', headers: { expect: '100-continue' }, send: sendAfterContinue },
        ({ body }) => body === '1000 bytes',
      ),
      HEAD: requests({ port, path: '/?ms=5', method: 'HEAD' }, ({ status, body }) => status === 200 && body === ''),
      204: requests({ port, path: '/empty?status=204&ms=5' }, ({ status }) => status === 204),
      304: requests({ port, path: '/empty?status=304&ms=5' }, ({ status }) => status === 304),
    };
    const streams = Array.from({ length: 4 }, () => events(port));
    const chats = [
      ...[1, 2, 3].map((n) => chat(`ws://127.0.0.1:${port}/ws`, `plain-${n}`, false)),
      ...[1, 2, 3].map((n) => chat(`ws://127.0.0.1:${port}/ws-deflate`, `deflate-${n}`, true)),
    ];
    await sleep(1_000);

    await reloadReplaces(pm2, 'web');
    await sleep(300);

    for (const stream of streams) stream.abort();
    const failures: Record<string, unknown> = {};
    const note = (what: string, found: object) => {
      if (Object.keys(found).length > 0) failures[what] = found;
    };
    note('64 keep-alive connections', (await load.stop()).failures);
    for (const stream of streams) {
      const tally = await stream.stop();
      note('server-sent events', tally.failures);
      assert.ok(tally.done >= 2, 'a stream was not ended');
    }
    for (const said of chats) {
      await said.stop();
      note('WebSocket', said.failures);
      assert.ok(said.closeCodes.length >= 1, 'a WebSocket was not closed');
      assert.deepEqual([...new Set(said.closeCodes)], [1012]);
    }
    const processed = new Set(readFileSync(files.ACKED, 'utf8').match(/^\S+/gm));
    const acked = chats.flatMap(({ acked }) => acked);
    assert.ok(acked.length > 100);
    assert.deepEqual(
      acked.filter((id) => !processed.has(id)),
      [],
    );
    for (const [what, client] of Object.entries(clients)) {
      const tally = await client.stop();
      note(what, tally.failures);
      assert.ok(tally.done > 1, `${what}: nothing was done`);
    }
    assert.deepEqual(failures, {}, pm2.logs('web'));
    assert.equal(pm2.logs('web').match(/pm2-ops: SIGINT: drained in \d+ ms: .* 0 cut$/gm)?.length, 2, pm2.logs('web'));
  });

  it('by the shutdown message of a graceful reload loses nothing either', async () => {
    const load = startLoad({ port: ports.http, clients: 32, path: '/?ms=20' });
    await waitFor(() => load.counts().requests > 100, { what: 'load' });
    const before = (await pm2.processes('web')).map(({ pid }) => pid);
    for (const { pm_id } of await pm2.processes('web')) await pm2.call('softReloadProcessId', { id: pm_id });
    assert.deepEqual((await load.stop()).failures, {});
    const now = (await pm2.online('web', 2)).map(({ pid }) => pid);
    assert.ok(before.every((pid) => !now.includes(pid) && !isAlive(pid)));
    assert.match(pm2.logs('web'), /pm2-ops: shutdown: drained in/);
  });
});

/** `pm2 reload`, after which every worker is another one and none was killed. */
async function reloadReplaces(pm2: Pm2, name: string): Promise<void> {
  const before = (await pm2.processes(name)).map(({ pid }) => pid);
  await pm2.ok('reload', name);
  const now = (await pm2.online(name, before.length)).map(({ pid }) => pid);
  assert.ok(
    before.every((pid) => !now.includes(pid) && !isAlive(pid)),
    `${before} became ${now}`,
  );
  assert.doesNotMatch(pm2.daemonLog(), /sending SIGKILL/);
}
