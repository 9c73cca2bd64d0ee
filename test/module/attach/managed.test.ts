import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAlive } from '../../../testkit/daemonProcesses.ts';
import { app, ROOT, tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { nodeOf } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus, untilAttached, untilSkipped } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

describe('every managed process is attached, or status says why not', () => {
  let pm2: Pm2;
  /** `pm2 start` of the app that never says ready. */
  let starting: Promise<unknown> | undefined;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(async () => {
    await starting;
    await pm2.kill();
  });

  for (const mode of ['fork', 'cluster'] as const) {
    for (const file of ['http.cjs', 'http.mjs']) {
      it(`${file} in ${mode} mode`, async () => {
        const name = `${mode}-${file}`;
        const port = await freePort();
        await pm2.startApp({ name, script: app(file), exec_mode: mode, env: { PORT: port } });
        await untilAttached(pm2, name);
        assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
        const { ok, state } = await pm2.triggerOne<{ ok: boolean; state: string }>(name, 'ops-status');
        assert.deepEqual({ ok, state }, { ok: true, state: 'serving' });
      });
    }
  }

  it('TypeScript through a loader', async () => {
    await pm2.startApp({
      name: 'tsx',
      script: app('typescript/service.ts'),
      interpreter: 'node',
      node_args: ['--import', join(ROOT, 'node_modules/tsx/dist/loader.mjs')],
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'tsx');
  });

  it("TypeScript through Node's own type stripping, on a newer Node than the daemon's", {
    skip: nodeOf({ atLeast: 24 }) ? false : 'no Node 24 or newer here',
  }, async () => {
    await pm2.startApp({
      name: 'stripped',
      script: app('typescript/service.ts'),
      interpreter: nodeOf({ atLeast: 24 })!.path,
      exec_mode: 'fork',
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'stripped');
  });

  it('an app that boots for seconds, as soon as it has', async () => {
    await pm2.startApp({ name: 'slow', script: app('slow-boot.cjs'), env: { PORT: await freePort(), MS: 2_000 } });
    await untilAttached(pm2, 'slow');
    assert.equal((await pm2.process('slow')).pm2_env.restart_time, 0);
  });

  it('an app that never says ready, while PM2 still waits for it', async () => {
    starting = pm2.startApp({
      name: 'never',
      script: app('never-ready.cjs'),
      exec_mode: 'cluster',
      wait_ready: true,
      listen_timeout: 6_000,
      env: { PORT: await freePort() },
    });
    await waitFor(async () => (await pm2.processes('never')).length === 1, { what: 'the process' });
    await untilAttached(pm2, 'never', 15_000);
    assert.equal((await pm2.process('never')).pm2_env.status, 'launching');
  });

  it('Python, Bash and a compiled program are left alone and live on', async () => {
    const folder = tempFolder();
    execFileSync('cc', ['-o', join(folder, 'compiled'), app('compiled.c')]);
    await pm2.startApp([
      { name: 'python', script: app('python.py'), interpreter: 'python3' },
      { name: 'bash', script: app('bash.sh'), interpreter: 'bash' },
      { name: 'compiled', script: join(folder, 'compiled'), interpreter: 'none' },
    ]);
    const before = await pm2.list();
    await untilSkipped(pm2, 'python', /not Node.*python/);
    await untilSkipped(pm2, 'bash', /not Node.*bash/);
    await untilSkipped(pm2, 'compiled', /not Node.*compiled/);
    for (const name of ['python', 'bash', 'compiled']) {
      const now = await pm2.process(name);
      assert.equal(now.pid, before.find((entry) => entry.name === name)!.pid);
      assert.equal(now.pm2_env.restart_time, 0);
      assert.ok(isAlive(now.pid));
    }
  });

  it('an app with its own SIGUSR1 handler is not signalled', async () => {
    await pm2.startApp({ name: 'usr1', script: app('own-sigusr1.cjs'), env: { PORT: await freePort() } });
    await untilSkipped(pm2, 'usr1', /SIGUSR1/);
    assert.ok(!pm2.logs('usr1').includes('HANDLER CALLED'));
  });

  it('an app that PM2 was told to inspect is attached through that, which stays open', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'inspected',
      script: app('http.cjs'),
      node_args: [`--inspect=${port}`],
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'inspected');
    const targets = (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as unknown[];
    assert.equal(targets.length, 1);
  });

  it('port 9229 in the hands of another program: nothing is signalled, status says so, and it goes on once it is free', async () => {
    const squatter = createServer().listen(9229, '127.0.0.1');
    await once(squatter, 'listening');
    try {
      await pm2.startApp({ name: 'later', script: app('http.cjs'), env: { PORT: await freePort() } });
      await untilSkipped(pm2, 'later', /listens on the inspector's port 9229/);
      assert.ok(!/inspector|Debugger/.test(pm2.logs('later')));
    } finally {
      squatter.close();
    }
    await untilAttached(pm2, 'later');
  });

  it('an app whose event loop is blocked for 5 s is attached afterwards, and holds nobody else up', async () => {
    const port = await freePort();
    await pm2.ok('stop', 'pm2-ops');
    await pm2.startApp([
      { name: 'blocked', script: app('blocked.cjs'), env: { PORT: port } },
      { name: 'free', script: app('http.cjs'), env: { PORT: await freePort() } },
    ]);
    await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/block?ms=5000`)).ok, {
      what: 'the app to listen',
    });
    await waitFor(() => pm2.logs('blocked').includes('blocked'), { what: 'the loop to be blocked' });
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'free');
    assert.ok(!pm2.logs('blocked').includes('free again'), 'the other one had to wait for the blocked one');
    await untilAttached(pm2, 'blocked');
    assert.equal((await pm2.process('blocked')).pm2_env.restart_time, 0);
  });

  it('an app that is busy with synchronous requests has nothing of ours run in the context of one', async () => {
    const port = await freePort();
    await pm2.ok('stop', 'pm2-ops');
    await pm2.startApp({ name: 'busy', script: app('async-local-storage.cjs'), env: { PORT: port } });
    await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/?ms=1`)).ok, { what: 'the app to listen' });
    let loaded = true;
    const load = Promise.all(
      [1, 2].map(async () => {
        while (loaded) await (await fetch(`http://127.0.0.1:${port}/?ms=40`)).text();
      }),
    );
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'busy', 30_000).finally(() => {
      loaded = false;
    });
    await load;
    const { served, strangers } = (await (await fetch(`http://127.0.0.1:${port}/strangers`)).json()) as {
      served: number;
      strangers: { type: string; request: number | null }[];
    };
    assert.ok(served > 10);
    assert.deepEqual(
      strangers.filter(({ request }) => request !== null),
      [],
    );
  });

  it('pm2 start npm -- start: every action names the real process and the line to write instead', async () => {
    const port = await freePort();
    const env = { PORT: String(port) };
    await pm2.okWith(
      { cwd: dirname(app('npm-start/server.cjs')), env },
      'start',
      'npm',
      '--name',
      'wrapped',
      '--',
      'start',
    );
    await untilAttached(pm2, 'wrapped');
    const page = await waitFor(async () => (await fetch(`http://127.0.0.1:${port}/`)).text(), {
      what: 'the real server',
    });
    const real = Number(/pid (\d+)/.exec(page)?.[1]);
    for (const action of ['drain', 'heapdump']) {
      const reply = await pm2.triggerOne<{ code: string; message: string; hint: string }>('wrapped', action);
      assert.equal(reply.code, 'E_WRAPPER');
      assert.match(reply.message, new RegExp(`process ${real} \\(node server.cjs\\)`));
      assert.match(reply.hint, /pm2 start server.cjs --name wrapped/);
    }
    const row = (await moduleStatus(pm2)).processes.find(({ name }) => name === 'wrapped');
    assert.equal((row as { wrapper?: boolean }).wrapper, true);
  });

  it('an app that loads the agent itself is attached without an inspector, whoever starts first', async () => {
    await pm2.startApp({
      name: 'preloaded',
      script: app('http.cjs'),
      node_args: ['--require', join(ROOT, 'dist/agent-preload.cjs')],
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'preloaded');
    await pm2.ok('restart', 'preloaded');
    await untilAttached(pm2, 'preloaded');
    await pm2.ok('stop', 'pm2-ops');
    await pm2.ok('restart', 'preloaded');
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'preloaded');
    assert.ok(!pm2.logs('preloaded').includes('Debugger'));
  });

  it('an app that is excluded by setting is left alone', async () => {
    await pm2.ok('set', 'pm2-ops:exclude', 'tsx,not-*');
    await pm2.startApp({ name: 'not-this', script: app('http.cjs'), env: { PORT: await freePort() } });
    await untilSkipped(pm2, 'not-this', /excluded by pm2-ops:exclude/);
    assert.ok(!pm2.logs('not-this').includes('Debugger'));
  });
});

describe('apps that speak to PM2 themselves', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('tx2: its own action called drain stays its own, and status says so', async () => {
    const port = await freePort();
    await pm2.startApp({ name: 'tx2', script: app('own-drain-tx2.cjs'), env: { PORT: port } });
    await untilAttached(pm2, 'tx2');
    await fetch(`http://127.0.0.1:${port}/`);
    const own = await pm2.triggerAppsOwn<{ mine: boolean }>('tx2', 'drain');
    assert.equal(own.mine, true);
    assert.deepEqual(await pm2.triggerAppsOwn('tx2', 'greet'), { hello: 'tx2' });
    assert.equal((await pm2.triggerOne<{ state: string }>('tx2', 'ops-status')).state, 'serving');
    const row = (await moduleStatus(pm2)).processes.find(({ name }) => name === 'tx2') as { kept?: string[] };
    assert.deepEqual(row.kept, ['drain']);
    await waitFor(async () => (await pm2.process('tx2')).pm2_env.axm_monitor.answered, { what: 'its own metric' });
  });

  for (const [name, file] of [
    ['io', 'pm2-io.cjs'],
    ['pmx', 'pmx.cjs'],
  ] as const) {
    it(`${file}: keeps its action and its metric, and has ours`, async () => {
      const port = await freePort();
      await pm2.startApp({ name, script: app(file), env: { PORT: port } });
      await untilAttached(pm2, name);
      await fetch(`http://127.0.0.1:${port}/`);
      assert.match((await pm2.triggerAppsOwn<{ hello: string }>(name, 'greet')).hello, new RegExp(name));
      assert.equal((await pm2.triggerOne<{ ok: boolean }>(name, 'gc')).ok, true);
      await waitFor(async () => (await pm2.process(name)).pm2_env.axm_monitor.answered, { what: 'its own metric' });
    });
  }
});

describe('what can go wrong around an attach', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('fifty processes at once are all attached', async () => {
    await pm2.ok('stop', 'pm2-ops');
    await pm2.startApp({ name: 'many', script: app('no-server.cjs'), instances: 50, exec_mode: 'fork' });
    await pm2.ok('restart', 'pm2-ops');
    assert.equal((await untilAttached(pm2, 'many', 60_000)).length, 50);
    for (const { pm2_env } of await pm2.processes('many')) assert.equal(pm2_env.restart_time, 0);
    await pm2.ok('delete', 'many');
  });

  it('an app of another user is attached, and its dump goes to a folder of its own', {
    skip: process.getuid?.() === 0 ? false : 'takes root',
  }, async () => {
    const uid = 65_534;
    const folder = tempFolder();
    chmodSync(folder, 0o755);
    copyFileSync(app('http.cjs'), join(folder, 'http.cjs'));
    await pm2.startApp({
      name: 'other',
      script: join(folder, 'http.cjs'),
      uid,
      gid: uid,
      env: { PORT: await freePort() },
    });
    await untilAttached(pm2, 'other');
    const reply = await pm2.triggerOne<{ ok: boolean; file: string }>('other', 'heapdump');
    assert.equal(reply.ok, true, JSON.stringify(reply));
    assert.equal(dirname(dirname(reply.file)), join(pm2.othersFolder(), String(uid)));
    assert.equal(execFileSync('stat', ['-c', '%u %a', reply.file], { encoding: 'utf8' }).trim(), `${uid} 600`);
  });

  it('the module killed with SIGKILL again and again while it attaches: no app dies, no inspector stays open', async () => {
    await pm2.ok('stop', 'pm2-ops');
    await pm2.startApp({ name: 'victims', script: app('no-server.cjs'), instances: 10, exec_mode: 'fork' });
    const pids = (await pm2.processes('victims')).map(({ pid }) => pid);
    const opened = () => pm2.logs('victims').split('Debugger listening').length - 1;
    await pm2.ok('restart', 'pm2-ops');
    for (let round = 0; round < 4; round++) {
      const { pid } = await pm2.process('pm2-ops');
      const before = opened();
      await waitFor(() => opened() > before, { what: 'it to open an inspector', everyMs: 2, timeoutMs: 20_000 });
      process.kill(pid, 'SIGKILL');
      await waitFor(async () => (await pm2.process('pm2-ops')).pid !== pid, { what: 'PM2 to restart it' });
    }
    await untilAttached(pm2, 'victims');
    assert.deepEqual(
      (await pm2.processes('victims')).map(({ pid }) => pid),
      pids,
    );
    await waitFor(() => !isListening(9229), { what: 'port 9229 to be closed' });
  });
});

/** Does anybody in this network namespace listen on that port? */
function isListening(port: number): boolean {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = execFileSync('cat', ['/proc/net/tcp', '/proc/net/tcp6'], { encoding: 'utf8' }).split('\n');
  return lines
    .map((line) => line.trim().split(/\s+/))
    .some(([, local, , state]) => local?.endsWith(hex) && state === '0A');
}
