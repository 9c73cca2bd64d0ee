import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { runOk } from '../../testkit/run.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { startEveryClient } from '../support/everyClient.ts';

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
      // A download of 2 s may begin on a connection that is drained, 2 s into the drain.
      kill_timeout: 6_000,
      listen_timeout: 60_000,
      env: { PORTS: JSON.stringify(ports), ...files },
    });
    await untilServing({ port: ports.http });
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  it('loses nothing, whatever they speak', async () => {
    const clients = startEveryClient({ ports, acked: files.ACKED });
    await sleep(1_000);

    await reloadReplaces(pm2, 'web');
    await sleep(300);

    const { done, failures, closeCodes, invented } = await clients.stop();
    assert.deepEqual(failures, {}, pm2.logs('web'));
    for (const [kind, count] of Object.entries(done)) assert.ok(count > 1, `${kind}: nothing was done`);
    assert.ok((done['server-sent events'] ?? 0) >= 2 * 4, 'a stream was not ended');
    assert.ok((done.WebSocket ?? 0) > 100);
    assert.ok(closeCodes.length >= 6, 'a WebSocket was not closed');
    assert.deepEqual([...new Set(closeCodes)], [1012]);
    assert.deepEqual(invented, []);
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
