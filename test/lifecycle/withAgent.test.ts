import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { get, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { connect, until } from '../drain/helper.ts';

describe('a service on the lifecycle that has the agent, too', { concurrency: 3 }, () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  for (const mode of ['cluster', 'fork']) {
    it(`(${mode}) is drained, resumed and dumped by the agent, knows it, and leaves by itself`, async () => {
      const name = `web-${mode}`;
      const port = await freePort();
      const env = { OPTIONS: JSON.stringify({ port, resources: [{ name: 'database' }] }) };
      const script = join(ROOT, 'test', 'lifecycle', 'service.mjs');
      const limits = { wait_ready: true, listen_timeout: 20_000, kill_timeout: 6_000 };
      const [first] = await pm2.startApp({ name, script, exec_mode: mode, env, ...limits, autorestart: false });
      await untilServing({ port });
      await untilAttached(pm2, name);
      const row = async () => (await moduleStatus(pm2)).processes.find((process) => process.name === name);
      assert.equal((await row())?.graceful, 'app', 'signals are left to the app');

      const client = await connect({ port, host: '127.0.0.1' });
      client.socket.setMaxListeners(0);
      const drained = pm2.triggerOne(name, 'drain', 'force=true timeout=60000');
      await until(
        'readiness to say so, on a connection that was open before',
        async () => {
          client.received = '';
          client.socket.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
          await client.until((text) => text.includes('"state":'));
          return client.received.startsWith('HTTP/1.1 503') && client.received.includes('"state":"draining"');
        },
        30_000,
      );
      assert.equal((await drained).state, 'drained');
      assert.equal((await pm2.triggerOne(name, 'resume')).state, 'serving');
      assert.equal((await get({ port, path: '/ready' })).status, 200);
      assert.equal((await pm2.triggerOne(name, 'heapdump', undefined, 60_000)).ok, true);

      const slow = get({ port, path: '/slow?ms=1000' });
      await get({ port });
      await pm2.call('stopProcessId', { id: first!.pm_id });
      assert.equal((await slow).status, 200);
      await waitFor(() => !isAlive(first!.pid), { what: 'it to be gone', timeoutMs: 10_000 });
      assert.equal(pm2.logs(name).match(/SIGINT: drained in \d+ ms: \d+ finished, \d+ closed, 0 cut/g)?.length, 1);
      assert.match(pm2.logs(name), /closed database/);
      await pm2.ok('delete', name);
    });
  }

  it('leaves as well after the agent was taken out, and when the agent had drained it', async () => {
    const port = await freePort();
    const env = { OPTIONS: JSON.stringify({ port, resources: [{ name: 'database' }] }) };
    const script = join(ROOT, 'test', 'lifecycle', 'service.mjs');
    const app = { script, exec_mode: 'cluster', env, wait_ready: true, listen_timeout: 20_000, autorestart: false };
    const [first] = await pm2.startApp({ name: 'drained', ...app });
    await untilAttached(pm2, 'drained');
    assert.equal((await pm2.triggerOne('drained', 'drain', 'force=true')).state, 'drained');
    await pm2.ok('stop', 'drained');
    assert.ok(!isAlive(first!.pid));
    assert.match(
      pm2.logs('drained'),
      /closed database\n(.*\n)*.*SIGINT: drained in \d+ ms: 0 finished, 0 closed, 0 cut/,
    );
    await pm2.ok('delete', 'drained');

    const [alone] = await pm2.startApp({ name: 'alone', ...app });
    await untilAttached(pm2, 'alone');
    assert.equal((await pm2.triggerOne('alone', 'drain', 'force=true')).state, 'drained');
    await pm2.triggerOne('pm2-ops', 'detach', 'app=alone');
    await untilServing({ port });
    const slow = get({ port, path: '/slow?ms=500' });
    await get({ port });
    await pm2.call('stopProcessId', { id: alone!.pm_id });
    assert.equal((await slow).status, 200);
    assert.match(pm2.logs('alone'), /SIGINT: drained in \d+ ms: \d+ finished, \d+ closed, 0 cut/);
    await pm2.ok('delete', 'alone');
  });
});
