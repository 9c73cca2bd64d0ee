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
import { isIn, killModuleAt, type Point, told } from './killedModule.ts';
import { type Deploy, type Reloaded, service } from './service.ts';

/** Between two requests of a client: the processors are for the apps, and two of them are reloaded at a time. */
const PAUSE_MS = 20;

const CRUDE = "process.on('SIGINT', () => process.exit(0));";

describe('pm2-ops reload', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  const loads: Load[] = [];
  after(async () => {
    await Promise.all(loads.map((load) => load.stop()));
    await pm2.kill();
  });

  /** Runs the command as a user does. */
  function command(...args: string[]): Promise<RunResult> {
    return run(pm2.node, [join(ROOT, 'dist', 'cli.mjs'), 'reload', ...args], { env: pm2.env, timeoutMs: 60_000 });
  }

  let lastTrigger: Promise<unknown> = Promise.resolve();
  /** Of two triggers for the module at the same time, `pm2 trigger` prints whichever reply comes first: one after the other. */
  function trigger(action: string, param?: string | object): Promise<Reloaded> {
    const reply = lastTrigger.then(() => pm2.triggerOne<Reloaded>('pm2-ops', action, param));
    lastTrigger = reply.catch(() => {});
    return reply;
  }

  /** The reply to the command that asks, which is exact also while others ask. */
  async function reload(...args: string[]): Promise<Reloaded> {
    const { stdout, stderr } = await command(...args, '--json');
    assert.match(stdout, /^\{/, stderr);
    return JSON.parse(stdout) as Reloaded;
  }

  /** An app in a file of its own, under load by clients that never retry. */
  async function running(name: string, config: { instances?: number; [option: string]: unknown } = {}, first = '') {
    const file = join(tempFolder(), 'service.cjs');
    const deploy = (next: Deploy) => writeFileSync(file, service(next));
    deploy({ version: 1, first });
    const port = await freePort();
    const { instances = 2 } = config;
    await pm2.startApp({ name, script: file, exec_mode: 'cluster', env: { PORT: port }, ...config, instances });
    await untilServing({ port });
    await untilAttached(pm2, name);
    const pids = (await pm2.processes(name)).map(({ pid }) => pid);
    const load = startLoad({ port, clients: 16, pauseMs: PAUSE_MS });
    loads.push(load);
    await waitFor(() => Object.keys(load.stats().servedBy).length === instances, { what: 'all instances to serve' });
    return { name, port, deploy, load, pids, ids: (await pm2.processes(name)).map(({ pm_id }) => pm_id) };
  }

  type Running = Awaited<ReturnType<typeof running>>;

  /** Same ids, all of them online, and no process of the app that PM2 does not list. */
  async function assertSameInstances({ name, ids, port }: Running): Promise<number[]> {
    const processes = await pm2.processes(name);
    assert.deepEqual(
      processes.map(({ pm_id, pm2_env }) => [pm_id, pm2_env.status]),
      ids.map((id) => [id, 'online']),
      pm2.logs('pm2-ops'),
    );
    const pids = processes.map(({ pid }) => pid);
    for (let i = 0; i < 10; i++) {
      const { body } = await get({ port });
      assert.ok(pids.includes(Number(/pid (\d+)/.exec(body)?.[1])), body);
    }
    return pids;
  }

  async function assertNothingLost(load: Load): Promise<void> {
    const { failures, requests } = await load.stop();
    assert.deepEqual(failures, {}, pm2.logs('pm2-ops'));
    assert.ok(requests > 50, `${requests} requests`);
  }

  async function assertReplaced(app: Running, version: number): Promise<void> {
    const now = await assertSameInstances(app);
    assert.deepEqual(
      now.filter((pid) => app.pids.includes(pid)),
      [],
    );
    assert.deepEqual(app.pids.filter(isAlive), []);
    for (let i = 0; i < 10; i++) assert.match((await get({ port: app.port })).body, new RegExp(`version ${version} `));
    await assertNothingLost(app.load);
    await pm2.ok('delete', app.name);
  }

  async function assertOldServeOn(app: Running): Promise<void> {
    assert.deepEqual(await assertSameInstances(app), app.pids);
    assert.match((await get({ port: app.port })).body, /version 1 /);
    await assertNothingLost(app.load);
    await pm2.ok('delete', app.name);
  }

  // Each case is an app of its own, and most of a reload is waiting.
  describe('of one app beside another one', { concurrency: 2 }, () => {
    it('a good deploy replaces every instance under its id and loses no request, and says how far it is', async () => {
      const app = await running('good');
      const long = get({ port: app.port, path: '/slow' });
      app.deploy({ version: 2 });
      const { code, stdout, stderr } = await command('good', '--settle', '1000');
      assert.equal(code, 0, stdout + stderr);
      assert.equal((await long).status, 200);
      assert.match(stdout, /canary|ready after/);
      assert.equal(stdout.match(/id \d+: pid \d+ → \d+/g)?.length, 2, stdout);
      assert.match(stdout, /good is reloaded: 2 instance\(s\)/);
      await assertReplaced(app, 2);
    });

    it('a deploy that crashes at start changes nothing, and its last words are shown', async () => {
      const app = await running('crashes');
      app.deploy({ version: 2, first: "throw new Error('no database configured');" });
      const { code, stdout, stderr } = await command('crashes');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not stay up.*E_STATE/);
      assert.match(stderr, /\| .*no database configured/);
      await assertOldServeOn(app);
    });

    it('a deploy that never listens changes nothing', async () => {
      const app = await running('never');
      app.deploy({ version: 2, instead: "console.log('waiting for the queue'); setInterval(() => {}, 1000);" });
      const { code, stdout, stderr } = await command('never', '--timeout', '3000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /not ready after \d+ ms: it listens on nothing \(E_TIMEOUT\)/);
      assert.match(stderr, /\| waiting for the queue/);
      await assertOldServeOn(app);
    });

    const SAYS_READY = "process.on('newListener', () => {}); process.send('ready');";

    it('a deploy that says ready and listens on nothing changes nothing, whatever the health URL answers', async () => {
      const app = await running('deaf', { wait_ready: true }, "setTimeout(() => process.send('ready'), 200);");
      app.deploy({ version: 2, instead: `${SAYS_READY} setInterval(() => {}, 1000);` });
      const health = `http://127.0.0.1:${app.port}/health/ready`;
      const { code, stdout, stderr } = await command('deaf', '--timeout', '3000', '--health', health);
      assert.equal(code, 1, stdout);
      assert.match(stderr, /not ready after \d+ ms: it listens on nothing \(E_TIMEOUT\)/);
      assert.match(stderr, new RegExp(`it listened on \\S+:${app.port} before`));
      await assertOldServeOn(app);
    });

    it('a deploy that says ready long before it listens is waited for, while the old ones serve', async () => {
      const app = await running('early', { wait_ready: true }, "setTimeout(() => process.send('ready'), 200);");
      app.deploy({ version: 2, instead: `${SAYS_READY} setTimeout(() => server.listen(process.env.PORT), 1500);` });
      const { code, stdout, stderr } = await command('early', '--settle', '500');
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, new RegExp(`ready after (1[5-9]|[2-9]\\d)\\d\\d ms on \\S+:${app.port}`));
      await assertReplaced(app, 2);
    });

    it('a deploy that listens somewhere else changes nothing, and both addresses are named; forced, the old one is given up', async () => {
      const app = await running('moved');
      const other = await freePort();
      app.deploy({ version: 2, instead: `server.listen(${other});` });
      const { code, stdout, stderr } = await command('moved', '--timeout', '3000');
      assert.equal(code, 1, stdout);
      assert.match(
        stderr,
        new RegExp(`listens on \\S+:${other}, and not on \\S+:${app.port} as before \\(E_TIMEOUT\\)`),
      );
      assert.match(stderr, /pm2-ops reload moved --force/);
      assert.deepEqual(await assertSameInstances(app), app.pids);
      await app.load.stop();
      const forced = await command('moved', '--settle', '300', '--force');
      assert.equal(forced.code, 0, forced.stdout + forced.stderr);
      assert.match((await get({ port: other })).body, /version 2 /);
      assert.equal((await pm2.processes('moved')).length, 2);
      await pm2.ok('delete', 'moved');
    });

    it('workers that listen on nothing are reloaded; one that begins to crash is held back', async () => {
      const file = join(tempFolder(), 'worker.cjs');
      writeFileSync(file, 'setInterval(() => {}, 1000); // 1');
      await pm2.startApp([
        { name: 'queue', script: file, exec_mode: 'cluster', instances: 2 },
        { name: 'forks', script: file, exec_mode: 'fork', instances: 2 },
      ]);
      for (const name of ['queue', 'forks']) {
        await untilAttached(pm2, name);
        const before = await pm2.processes(name);
        const { code, stdout, stderr } = await command(name, '--settle', '300');
        assert.equal(code, 0, stdout + stderr);
        const after = await pm2.processes(name);
        assert.deepEqual(
          after.map(({ pm_id }) => pm_id),
          before.map(({ pm_id }) => pm_id),
        );
        assert.equal(
          after.some(({ pid }) => before.some((old) => old.pid === pid)),
          false,
        );
      }
      writeFileSync(file, "throw new Error('no queue')");
      const { code, stderr } = await command('queue', '--settle', '300');
      assert.equal(code, 1);
      assert.match(stderr, /no queue/);
      assert.equal((await pm2.online('queue', 2)).length, 2);
      await pm2.ok('delete', 'queue', 'forks');
    });

    it('an id means the app of that instance, and that is said', async () => {
      const app = await running('byid', { instances: 1 });
      app.deploy({ version: 2 });
      const { code, stdout, stderr } = await command(String(app.ids[0]), '--settle', '300');
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, new RegExp(`id ${app.ids[0]} is an instance of byid: all 1 of them are reloaded`));
      await assertReplaced(app, 2);
    });

    it('an ecosystem file means its apps, with the env that stands there, and that is said', async () => {
      const folder = tempFolder();
      const file = join(folder, 'ecosystem.config.js');
      const port = await freePort();
      const script = join(folder, 'greets.cjs');
      writeFileSync(
        script,
        "require('node:http').createServer((_req, res) => res.end(process.env.GREETING)).listen(process.env.PORT);",
      );
      const configure = (GREETING: string) => {
        const greets = { name: 'greets', script, exec_mode: 'cluster', instances: 2, env: { GREETING, PORT: port } };
        writeFileSync(file, `module.exports = ${JSON.stringify({ apps: [greets] })}`);
      };
      configure('hello');
      await pm2.ok('start', file);
      assert.equal(await untilServing({ port }), 'hello');
      await untilAttached(pm2, 'greets');
      configure('good morning');
      const load = startLoad({ port, clients: 8, pauseMs: PAUSE_MS });
      const { code, stdout, stderr } = await command(file, '--settle', '300');
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /ecosystem\.config\.js names greets: reloaded with the env in that file/);
      assert.deepEqual((await load.stop()).failures, {});
      for (let i = 0; i < 4; i++) assert.equal((await get({ port })).body, 'good morning');
      await pm2.ok('delete', 'greets');
      const missing = await command(join(folder, 'other.config.js'));
      assert.match(missing.stderr, /is no app and no id that PM2 manages \(E_PARAMS\)\nthere is no such file here/);
      const triggered = await trigger('reload', 'ecosystem.config.js');
      assert.equal(triggered.hint, 'a file is read by the command: pm2-ops reload ecosystem.config.js');
    });

    it('a deploy that never says ready changes nothing, though it serves', async () => {
      const ready = "process.on('newListener', () => {}); setTimeout(() => process.send('ready'), 100);";
      const app = await running('unready', { wait_ready: true }, ready);
      app.deploy({ version: 2 });
      const reply = await reload('unready', '--timeout', '3000');
      assert.equal(reply.code, 'E_TIMEOUT', JSON.stringify(reply));
      assert.match(reply.message ?? '', /process\.send\('ready'\)/);
      await assertOldServeOn(app);
    });

    it('a deploy that dies after two seconds takes no request with it', async () => {
      const app = await running('dies');
      app.deploy({
        version: 2,
        last: "setTimeout(() => { console.error('the pool is exhausted'); process.exit(1); }, 2000);",
      });
      const { code, stdout, stderr } = await command('dies');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not stay up: it ended within \d+ ms/);
      assert.match(stderr, /\| the pool is exhausted/);
      await assertOldServeOn(app);
    });

    it('a deploy that dies of its first requests is found out while the old instance can still be resumed', async () => {
      const app = await running('poisoned');
      app.deploy({ version: 2, last: "server.on('request', () => setTimeout(process.exit, 1, 1));" });
      const { code, stdout, stderr } = await command('poisoned', '--settle', '1000');
      assert.equal(code, 1, stdout);
      assert.match(stderr, /did not stay up/);
      assert.deepEqual(await assertSameInstances(app), app.pids);
      for (const id of app.ids) {
        const { state } = await pm2.triggerOne<{ state: string }>(id, 'ops-status');
        assert.equal(state, 'serving', `id ${id} was drained for the reload, and serves again`);
      }
      await pm2.ok('delete', 'poisoned');
    });

    it('an app that exits at once on SIGINT loses nothing: it is drained before; a second reload or a dump meanwhile is refused', async () => {
      const app = await running('crude', { instances: 2 }, CRUDE);
      app.deploy({ version: 2, first: CRUDE });
      const first = command('crude', '--settle', '1500');
      await waitFor(async () => (await pm2.processes('crude')).length === 3, { what: 'the canary' });
      assert.match((await command('crude')).stderr, /a reload of crude has been running for \d+ s \(E_BUSY\)/);
      const dump = await pm2.triggerOne<Reloaded>(app.ids[0]!, 'heapdump');
      assert.equal(dump.code, 'E_STATE', JSON.stringify(dump));
      assert.match(dump.message ?? '', /crude is being reloaded/);
      const { code, stdout, stderr } = await first;
      assert.equal(code, 0, stdout + stderr);
      await assertReplaced(app, 2);
    });

    it('a single instance is replaced through the canary; a deploy that is not healthy is not', async () => {
      const app = await running('single', { instances: 1 });
      app.deploy({ version: 66 });
      const sick = await command('single', '--health', '/health/ready', '--timeout', '3000');
      assert.equal(sick.code, 1, sick.stdout);
      assert.match(sick.stderr, /did not become healthy in time: it answered 503 \(E_TIMEOUT\)/);
      assert.deepEqual(await assertSameInstances(app), app.pids);
      app.deploy({ version: 2 });
      const reply = await reload('single', '--health', '/health/ready', '--settle', '500', '--patient', '500');
      assert.equal(reply.ok, true, JSON.stringify(reply));
      assert.equal(reply.replaced?.[0]?.drained, true);
      await assertReplaced(app, 2);
    });

    it('a plain pm2 reload that overlaps is noticed and told', async () => {
      const app = await running('overlap');
      app.deploy({ version: 2 });
      const ours = command('overlap');
      await waitFor(async () => (await pm2.processes('overlap')).length === 3, { what: 'the canary' });
      await pm2.ok('reload', String(app.ids[0]));
      const { code, stderr } = await ours;
      assert.equal(code, 1);
      assert.match(stderr, /somebody else reloads overlap at the same time.*E_STATE/);
      // What that reload itself may lose is not ours to tell.
      await assertSameInstances(app);
      await pm2.ok('delete', 'overlap');
    });

    it('an app without an agent is left to PM2 one by one, and that is told; a stopped instance is started', async () => {
      const app = await running('plain');
      await app.load.stop();
      await trigger('detach', 'app=plain');
      await pm2.ok('stop', String(app.ids[1]));
      app.deploy({ version: 2 });
      const reply = await reload('plain', '--settle', '300');
      assert.equal(reply.ok, true, JSON.stringify(reply));
      assert.match(reply.notes?.join() ?? '', /id \d+ could not be drained \(it has no agent: detached by hand/);
      await assertSameInstances(app);
      assert.match((await get({ port: app.port })).body, /version 2 /);
      await pm2.ok('delete', 'plain');
    });

    it('what cannot be done is said at once: an unknown app, no app, a parameter that does not exist', async () => {
      const refusal = (param?: string | object) => trigger('reload', param);
      assert.equal((await refusal({ app: 'nobody' })).code, 'E_PARAMS');
      assert.equal((await refusal()).code, 'E_PARAMS');
      assert.match((await refusal('app=web healthy=/x')).message ?? '', /no parameter "healthy"/);
      assert.equal((await command()).code, 2);
    });
  });

  it('a module that is killed in the middle leaves no canary behind, and nobody drained: the next one puts it right', async () => {
    const app = await running('killed');
    let version = 1;
    const points: Record<string, Point> = {
      'has started a canary': told(/started as id/),
      'drains the canary': told(/ready after/),
      'has proven the canary': told(/still up after/),
      'drains an old instance': isIn(app.ids, 'draining'),
      'has drained an old instance': isIn(app.ids, 'drained'),
      'has replaced one': told(/id \d+: pid \d+ → \d+/),
    };
    for (const point of Object.entries(points)) {
      app.deploy({ version: ++version });
      await killModuleAt(pm2, app, point, () => command('killed', '--settle', '300'));
    }
    assert.deepEqual((await app.load.stop()).failures, {}, pm2.logs('pm2-ops'));
    const { code, stdout, stderr } = await command('killed', '--settle', '300');
    assert.equal(code, 0, stdout + stderr);
    assert.match((await get({ port: app.port })).body, new RegExp(`version ${version} `));
    await pm2.ok('delete', 'killed');
  });
});
