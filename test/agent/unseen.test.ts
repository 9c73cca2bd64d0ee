import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command } from '../../testkit/command.ts';
import { app, ROOT } from '../../testkit/folders.ts';
import { install } from '../../testkit/installed.ts';
import { get, untilServing } from '../../testkit/load.ts';
import { nodes } from '../../testkit/nodes.ts';
import { manifest } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import type { Pm2Process, Pm2Version } from '../../testkit/pm2Versions.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const NAMES = ['fork', 'bare', 'old', 'cluster'];
const LEASE_MS = 3_000;
const newest = nodes().at(-1)!;
/** PM2's oldest, middle and newest, and two versions of Node. */
const HOSTS: { version: Pm2Version; node?: string }[] = [
  { version: '5' },
  { version: '6', node: newest.path },
  { version: '7' },
];

const ACTIONS = [
  ['ops-status'],
  ['heapdump'],
  ['disable-keepalive'],
  ['enable-keepalive'],
  ['gc'],
  ['report'],
  ['cpu-profile', 'seconds=1'],
  ['heap-profile', 'seconds=1'],
  ['leak-report', 'seconds=5'],
];

// Three daemons at the same time: each waits most of the time.
describe('an app that ends at any message it does not know', { concurrency: true }, () => {
  for (const { version, node } of HOSTS) {
    describe(`under PM2 ${version}`, { concurrency: 1 }, () => {
      let pm2: Pm2;
      const ports: Record<string, number> = {};
      let first: Pm2Process[];

      before(async () => {
        pm2 = await startPm2({ pm2: version, ...(node ? { node } : {}), env: { PM2_OPS_LEASE_MS: String(LEASE_MS) } });
        for (const name of NAMES) ports[name] = await freePort();
        first = await pm2.startApp([
          { name: 'fork', script: app('strict.cjs'), env: { PORT: ports.fork } },
          // Without PM2's own listener, too.
          { name: 'bare', script: app('strict.cjs'), env: { PORT: ports.bare }, pmx: false },
          // An agent of 0.1 is in it already.
          { name: 'old', script: app('old-agent.cjs'), env: { PORT: ports.old, OLD_VERSION: manifest.version } },
          {
            name: 'cluster',
            script: app('strict.cjs'),
            exec_mode: 'cluster',
            instances: 2,
            env: { PORT: ports.cluster },
          },
        ]);
        for (const port of Object.values(ports)) await untilServing({ port });
        await install(pm2);
        await attached();
      });
      after(() => pm2?.kill());

      const attached = () => Promise.all(NAMES.map((name) => untilAttached(pm2, name)));

      /** Nobody has ended, and nobody has seen anything. */
      async function unnoticed(names = NAMES): Promise<void> {
        assert.doesNotMatch(pm2.logs(), /STRICT .* GOT/);
        for (const { name, pm_id, pid } of first.filter((each) => names.includes(each.name))) {
          const now = (await pm2.list()).find((each) => each.pm_id === pm_id);
          assert.deepEqual([now?.pid, now?.pm2_env.restart_time, now?.pm2_env.status], [pid, 0, 'online'], name);
        }
      }

      it('does not notice that it is attached, nor a setting, which restarts the module', async () => {
        await unnoticed();
        assert.match(pm2.logs('old'), /THE OLD AGENT LEFT/);
        await pm2.ok('set', 'pm2-ops:dump_keep', '3');
        await attached();
        await unnoticed();
      });

      it('does not notice pm2-ops status and its actions, whoever asks for them', async () => {
        const acts = version === '7' ? ACTIONS : ACTIONS.slice(0, 4);
        assert.equal((await command(pm2, 'status')).code, 0);
        for (const act of acts) {
          for (const name of ['fork', 'cluster']) {
            const { code, stderr } = await command(pm2, act[0]!, name, ...act.slice(1));
            assert.equal(code, 0, `${act} of ${name}: ${stderr}`);
          }
        }
        const [one] = first.filter(({ name }) => name === 'cluster');
        for (const name of ['fork', 'bare', one!.pm_id]) {
          assert.equal((await pm2.triggerOne(name, 'ops-status')).ok, true);
          assert.equal((await pm2.triggerOne(name, 'drain', 'force=true timeout=2000')).ok, true);
          assert.equal((await pm2.triggerOne(name, 'resume')).ok, true);
        }
        await unnoticed();
      });

      it('does not notice that it is reloaded', async () => {
        await pm2.ok('reload', 'cluster');
        await untilAttached(pm2, 'cluster');
        const reload = await command(pm2, 'reload', 'cluster', '--settle', '500');
        assert.equal(reload.code, 0, reload.stderr);
        await untilAttached(pm2, 'cluster');
        assert.equal((await get({ port: ports.cluster! })).status, 200);
        await unnoticed(['fork', 'bare', 'old']);
      });

      it('does not notice that the agent leaves, comes back, and is left without its module', async () => {
        await pm2.triggerOne('pm2-ops', 'detach', 'app=fork');
        const stub = async (name: string) =>
          waitFor(async () => (await pm2.triggerOne<{ code?: string }>(name, 'gc')).code === 'E_STATE', {
            what: `the stub in ${name}`,
            timeoutMs: LEASE_MS * 4,
            everyMs: 300,
          });
        await stub('fork');
        await pm2.triggerOne('pm2-ops', 'attach', 'app=fork');
        await untilAttached(pm2, 'fork');
        await pm2.ok('uninstall', 'pm2-ops');
        await stub('fork');
        await stub('bare');
        await unnoticed(['fork', 'bare', 'old']);
        assert.doesNotMatch(pm2.logs('cluster'), /STRICT .* GOT/);
      });
    });
  }
});

describe('an app that loads the agent itself', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startPm2();
  });
  after(() => pm2?.kill());

  it('is not told of it by its own workers, into which Node loads it as well', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'primary',
      script: app('strict.cjs'),
      node_args: `--require ${join(ROOT, 'dist/agent-preload.cjs')}`,
      // PM2's own instrumentation tells its messages to the parent of such workers.
      pmx: false,
      env: { PORT: port, WORKERS: 2 },
    });
    await untilServing({ port });
    await install(pm2);
    await untilAttached(pm2, 'primary');
    assert.equal((await command(pm2, 'status')).code, 0);
    assert.equal((await pm2.triggerOne<{ ok: boolean }>('primary', 'ops-status')).ok, true);
    const { pm2_env } = await pm2.process('primary');
    assert.doesNotMatch(pm2.logs('primary'), /STRICT .* GOT/);
    assert.equal(pm2_env.restart_time, 0);
  });
});
