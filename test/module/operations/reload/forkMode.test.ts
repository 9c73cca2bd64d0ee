// A reload in fork mode, where nobody shares out connections: the new instances take over the listening sockets of the old ones.
// The clients open a connection for each request and never retry: a moment without a listener is a request lost.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAlive } from '../../../../testkit/daemonProcesses.ts';
import { ROOT, tempFolder } from '../../../../testkit/folders.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import { get, type Load, startLoad, untilServing } from '../../../../testkit/load.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import { type RunResult, run } from '../../../../testkit/run.ts';
import { untilAttached } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';
import { hasEnded, isIn, killModuleAt, type Point, told } from './killedModule.ts';
import { type Deploy, type Reloaded, service } from './service.ts';

const CLI = join(ROOT, 'dist', 'cli.mjs');
const PAUSE_MS = 10;

const CRUDE = "process.on('SIGINT', () => process.exit(0));";

describe('pm2-ops reload in fork mode', () => {
  let pm2: Pm2;
  const loads: Load[] = [];
  before(async () => {
    pm2 = await startWithModule();
  });
  after(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await pm2.kill();
  });

  /** Runs the command as a user does. */
  function command(...args: string[]): Promise<RunResult> {
    return run(pm2.node, [CLI, 'reload', ...args], { env: pm2.env, timeoutMs: 60_000 });
  }

  /** An app in a file of its own, each instance on a port of its own, under load. */
  async function running(name: string, { instances = 1, first = '', ...config } = {}) {
    const file = join(tempFolder(), 'service.cjs');
    const listens = "server.listen(process.env.PORTS.split(' ')[Number(process.env.NODE_APP_INSTANCE)]);";
    const deploy = (next: Deploy) => writeFileSync(file, service({ instead: listens, ...next }));
    deploy({ version: 1, first });
    const ports = await Promise.all(Array.from({ length: instances }, () => freePort()));
    const env = { PORTS: ports.join(' ') };
    await pm2.startApp({ name, script: file, exec_mode: 'fork', env, instances, ...config });
    for (const each of ports) await untilServing({ port: each });
    await untilAttached(pm2, name);
    const processes = await pm2.processes(name);
    const own = ports.map((each) => startLoad({ port: each, clients: 8, pauseMs: PAUSE_MS, keepAlive: false }));
    loads.push(...own);
    return {
      name,
      port: ports[0]!,
      ports,
      deploy,
      loads: own,
      pids: processes.map(({ pid }) => pid),
      ids: idsOf(processes),
    };
  }

  type Running = Awaited<ReturnType<typeof running>>;

  /** Under the same ids, and nothing beside them. */
  async function pidsNow({ name, ids }: Running): Promise<number[]> {
    const processes = await pm2.processes(name);
    assert.deepEqual(
      processes.map(({ pm_id, pm2_env }) => [pm_id, pm2_env.status]),
      ids.map((id) => [id, 'online']),
      pm2.logs(),
    );
    return processes.map(({ pid }) => pid);
  }

  async function assertNothingLost({ loads: own }: Running): Promise<void> {
    for (const load of own) {
      const { failures, requests } = await load.stop();
      assert.deepEqual(failures, {}, pm2.logs());
      assert.ok(requests > 50, `${requests} requests`);
    }
  }

  /** What `pm2-ops status` says of the app's sockets. */
  async function doorOf(name: string): Promise<{ held: string[]; prepared: boolean }> {
    const { stdout } = await run(pm2.node, [CLI, 'status', '--json'], { env: pm2.env, timeoutMs: 30_000 });
    const { processes } = JSON.parse(stdout) as {
      processes: { name: string; door: { held: string[]; prepared: boolean } }[];
    };
    return processes.find((each) => each.name === name)!.door;
  }

  async function assertServed({ ports }: Running, version: number, pids: number[]): Promise<void> {
    for (const [at, port] of ports.entries())
      for (let i = 0; i < 10; i++) assert.equal((await get({ port })).body, `version ${version} pid ${pids[at]}`);
  }

  async function assertReplaced(app: Running, version: number, before = app.pids): Promise<number[]> {
    const now = await pidsNow(app);
    assert.deepEqual(
      now.filter((pid) => before.includes(pid)),
      [],
    );
    assert.deepEqual(before.filter(isAlive), []);
    await assertServed(app, version, now);
    return now;
  }

  async function assertOldServeOn(app: Running): Promise<void> {
    assert.deepEqual(await pidsNow(app), app.pids);
    await assertServed(app, 1, app.pids);
    await assertNothingLost(app);
    await pm2.ok('delete', app.name);
  }

  describe('of one app beside another one', { concurrency: 2 }, () => {
    it('an app that was never prepared is replaced under its id, and again, and no client is refused', async () => {
      const app = await running('first');
      const long = get({ port: app.port, path: '/slow' });
      app.deploy({ version: 2 });
      const { code, stdout, stderr } = await command('first', '--settle', '1000');
      assert.equal(code, 0, stdout + stderr);
      assert.match((await long).body, /version 1/);
      assert.match(stdout, /id \d+: pid \d+ → \d+/);
      const second = await assertReplaced(app, 2);
      assert.equal((await doorOf('first')).prepared, true);
      app.deploy({ version: 3 });
      await untilAttached(pm2, 'first');
      const again = await command('first', '--settle', '300');
      assert.equal(again.code, 0, again.stdout + again.stderr);
      await assertReplaced(app, 3, second);
      await assertNothingLost(app);
      await pm2.ok('delete', 'first');
      await assert.rejects(get({ port: app.port }), /ECONNREFUSED/, 'a deleted app has its port free');
    });

    it('a plain pm2 restart after it loses nothing either', async () => {
      const app = await running('restarted');
      assert.equal((await command('restarted', '--settle', '300')).code, 0);
      const pids = await pidsNow(app);
      await untilAttached(pm2, 'restarted');
      app.deploy({ version: 2, first: 'const until = Date.now() + 300; while (Date.now() < until);' });
      await pm2.ok('restart', 'restarted');
      await waitFor(async () => /version 2/.test((await get({ port: app.port })).body), { what: 'the new version' });
      await assertReplaced(app, 2, pids);
      await assertNothingLost(app);
      await pm2.ok('delete', 'restarted');
    });

    it('a deploy that crashes at start changes nothing, and its last words are shown', async () => {
      const app = await running('crashes');
      app.deploy({ version: 2, first: "throw new Error('no database configured');" });
      const { code, stdout, stderr } = await command('crashes');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not stay up.*E_STATE/);
      assert.match(stderr, /\| .*no database configured/);
      assert.deepEqual(
        (await doorOf('crashes')).held,
        [],
        'its next process, which PM2 starts as ever, finds its port free',
      );
      await assertOldServeOn(app);
    });

    it('a deploy that never listens changes nothing', async () => {
      const app = await running('never');
      app.deploy({ version: 2, instead: "console.log('waiting for the queue'); setInterval(() => {}, 1000);" });
      const { code, stdout, stderr } = await command('never', '--timeout', '4000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /not ready after \d+ ms: it listens on nothing \(E_TIMEOUT\)/);
      await assertOldServeOn(app);
    });

    it('a deploy that listens somewhere else changes nothing', async () => {
      const app = await running('moved');
      const other = await freePort();
      app.deploy({ version: 2, instead: `server.listen(${other});` });
      const { code, stdout, stderr } = await command('moved', '--timeout', '4000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, new RegExp(`listens on \\S+:${other}, and not on \\S+:${app.port} as before`));
      await assertOldServeOn(app);
    });

    it('a deploy that is not healthy changes nothing, however seldom a connection comes to it', async () => {
      const app = await running('sick');
      // A client that reads a 503 has lost nothing of the kind that this is about.
      app.deploy({ version: 66 });
      const { code, stdout, stderr } = await command('sick', '--health', '/health/ready', '--timeout', '4000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not become healthy in time: it answered 503 \(E_TIMEOUT\)/);
      await waitFor(async () => (await pm2.processes('sick')).length === 1, { what: 'the canary to be gone' });
      await assertOldServeOn(app);
    });

    it('a deploy that dies of its first requests is found out, and the old instance serves again', async () => {
      const app = await running('poisoned');
      app.deploy({ version: 2, last: "server.on('request', () => setTimeout(process.exit, 1, 1));" });
      const { code, stdout, stderr } = await command('poisoned', '--settle', '1000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not stay up/);
      assert.deepEqual(await pidsNow(app), app.pids);
      await assertServed(app, 1, app.pids);
      await pm2.ok('delete', 'poisoned');
    });

    it('an app that exits at once on SIGINT loses nothing, and a changed environment is taken over', async () => {
      const app = await running('crude', { first: CRUDE });
      app.deploy({ version: 2, first: `${CRUDE} console.log('greets with ' + process.env.GREETING);` });
      const options = { env: { ...pm2.env, GREETING: 'good morning' }, timeoutMs: 60_000 };
      const { code, stdout, stderr } = await run(pm2.node, [CLI, 'reload', 'crude', '--update-env'], options);
      assert.equal(code, 0, stdout + stderr);
      await assertReplaced(app, 2);
      assert.match(pm2.logs('crude'), /greets with good morning/);
      await assertNothingLost(app);
      await pm2.ok('delete', 'crude');
    });

    it('instances with ports of their own are each replaced beside one of their number', async () => {
      const app = await running('several', { instances: 2 });
      app.deploy({ version: 2 });
      const { code, stdout, stderr } = await command('several', '--settle', '300');
      assert.equal(code, 0, stdout + stderr);
      await assertReplaced(app, 2);
      await assertNothingLost(app);
      await pm2.ok('delete', 'several');
    });

    it('what cannot be passed on is refused, with the reason and what to do', async () => {
      const path = join(tempFolder(), 'web.sock');
      const file = join(tempFolder(), 'service.cjs');
      writeFileSync(file, service({ version: 1, instead: `server.listen(${JSON.stringify(path)});` }));
      const [{ pm_id: id } = { pm_id: -1 }] = await pm2.startApp({ name: 'path', script: file, exec_mode: 'fork' });
      await untilServing({ socketPath: path });
      await untilAttached(pm2, 'path');
      const { code, stderr } = await command(String(id));
      assert.equal(code, 1);
      assert.match(stderr, /runs in fork mode and holds \S+web\.sock by itself.*cannot be passed on/);
      assert.match(stderr, /run it in cluster mode.*accept a gap: pm2-ops reload path --force$/m);
      const refused = await pm2.triggerOne<Reloaded>('pm2-ops', 'reload', { app: id });
      assert.match(refused.hint ?? '', /accept a gap: pm2 trigger pm2-ops reload 'app=path force=true'$/);
      assert.match(await untilServing({ socketPath: path }), /version 1/);
      await pm2.ok('delete', 'path');
    });
  });

  it('a module that is killed in the middle leaves no canary behind, and nobody drained: the next one puts it right', async () => {
    const app = await running('killed');
    let version = 1;
    const points: Record<string, Point> = {
      'has started a canary': told(/started as id/),
      'has proven the canary': told(/still up after/),
      'drains the old instance': isIn(app.ids, 'draining'),
      'has drained the old instance': isIn(app.ids, 'drained'),
      'has PM2 start the next one': hasEnded(app.ids),
      'has replaced it': told(/id \d+: pid \d+ → \d+/),
    };
    for (const point of Object.entries(points)) {
      app.deploy({ version: ++version });
      await killModuleAt(pm2, app, point, () => command('killed', '--settle', '1000'));
    }
    const { code, stdout, stderr } = await command('killed', '--settle', '300');
    assert.equal(code, 0, stdout + stderr);
    await assertServed(app, version, await pidsNow(app));
    await assertNothingLost(app);
    assert.doesNotMatch(pm2.logs('killed'), /EADDRINUSE/, 'a successor waits for the next module');
    await pm2.ok('delete', 'killed');
  });
});

function idsOf(processes: readonly { pm_id: number }[]): number[] {
  return processes.map(({ pm_id }) => pm_id);
}
