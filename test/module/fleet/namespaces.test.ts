import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { startLoad, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus, untilAttached } from '../../../testkit/status.ts';
import { freePort } from '../../../testkit/wait-for.ts';

describe('two apps of one name, in two namespaces of PM2', () => {
  let pm2: Pm2;
  let ports: [number, number];
  let ids: [number, number];
  before(async () => {
    pm2 = await startWithModule();
    ports = [await freePort(), await freePort()];
    const [blue, green] = ports;
    const one = (namespace: string, PORT: number) => {
      return { name: 'api', namespace, script: app('http.cjs'), exec_mode: 'cluster', instances: 1, env: { PORT } };
    };
    await pm2.startApp([one('blue', blue), one('green', green)]);
    await untilServing({ port: blue });
    await untilServing({ port: green });
    await untilAttached(pm2, 'api');
    const processes = await pm2.processes('api');
    const idOf = (namespace: string) => processes.find(({ pm2_env }) => pm2_env.namespace === namespace)!.pm_id;
    ids = [idOf('blue'), idOf('green')];
  });
  after(() => pm2.kill());

  it('status says which is which', async () => {
    const { stdout } = await command(pm2, 'status');
    assert.match(stdout, /^id +namespace +name/m);
    assert.match(stdout, new RegExp(`^${ids[0]} +blue +api `, 'm'));
    assert.match(stdout, new RegExp(`^${ids[1]} +green +api `, 'm'));
    const { processes } = await moduleStatus(pm2);
    assert.deepEqual(processes.map((each) => (each as { namespace?: string }).namespace).sort(), ['blue', 'green']);
  });

  it('neither stands in for the other: no drain, a dump in place, and no request is lost', async () => {
    const loads = ports.map((port) => startLoad({ port, clients: 8, pauseMs: [0, 10], timeoutMs: 60_000 }));
    const drain = replies<{ ok: boolean; code?: string; message?: string }>(
      await command(pm2, 'drain', 'api', '--json'),
    );
    assert.deepEqual(
      drain.map(({ code }) => code),
      ['E_LAST', 'E_LAST'],
    );
    assert.match(drain[0]!.message ?? '', /^(blue|green):api has one instance/);
    const [dump] = replies<{ ok: boolean; drained: boolean; reason: string }>(
      await command(pm2, 'heapdump', 'blue:api', '--json'),
    );
    assert.deepEqual([dump!.ok, dump!.drained], [true, false]);
    assert.match(dump!.reason, /blue:api has one instance/);
    for (const load of loads) assert.deepEqual((await load.stop()).failures, {});
  });

  it('a reload by that name is asked back, and one of blue:api leaves green as it is', async () => {
    const both = await command(pm2, 'reload', 'api');
    assert.equal(both.code, 1);
    assert.match(both.stderr, /"api" is the name of 2 apps.*E_PARAMS/s);
    assert.match(both.stderr, /pm2-ops reload blue:api, or pm2-ops reload green:api/);
    const before = await pm2.processes('api');
    const loads = ports.map((port) => startLoad({ port, clients: 8, pauseMs: [0, 10] }));
    const { code, stdout, stderr } = await command(pm2, 'reload', 'blue:api', '--settle', '500');
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /blue:api is reloaded: 1 instance/);
    for (const load of loads) assert.deepEqual((await load.stop()).failures, {});
    const now = await pm2.processes('api');
    assert.deepEqual(
      now.map(({ pm_id }) => pm_id),
      ids,
    );
    assert.notEqual(now[0]!.pid, before[0]!.pid);
    assert.equal(now[1]!.pid, before[1]!.pid);
  });
});
