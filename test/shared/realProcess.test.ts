import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DoctorReply } from '../../contract/commandMessages.ts';
import { command } from '../../testkit/command.ts';
import { app, ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import type { AppConfig } from '../../testkit/pm2Versions.ts';
import { pm2Folder } from '../../testkit/pm2Versions.ts';
import { run } from '../../testkit/run.ts';
import { moduleStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

interface Refusal {
  ok: boolean;
  code: string;
  message: string;
  hint: string;
}

describe('a process that does not do the work itself', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  const served = (port: number) =>
    waitFor(async () => Number(/pid (\d+)/.exec(await (await fetch(`http://127.0.0.1:${port}/`)).text())?.[1]), {
      what: `something serves on ${port}`,
      timeoutMs: 30_000,
    });
  const rowOf = async (name: string) =>
    (await moduleStatus(pm2)).processes.find((each) => each.name === name) as
      | (Awaited<ReturnType<typeof moduleStatus>>['processes'][number] & { real?: string; wrapper?: true })
      | undefined;
  const wrapped = (name: string) =>
    waitFor(async () => ((await rowOf(name))?.state === 'wrapper' ? await rowOf(name) : undefined), {
      what: `${name} is told as a wrapper`,
      timeoutMs: 20_000,
      context: async () => JSON.stringify(await rowOf(name)),
    });
  /** Types what was said after the colon, as a person would into a shell. */
  const type = async (said: string) => {
    const line = /(cd .*?)(; |$)/.exec(said)?.[1] ?? said;
    const bin = join(pm2Folder(), 'bin/pm2');
    const script = `set -e; pm2() { ${process.execPath} ${bin} "$@"; }; ${line}`;
    const result = await run('/bin/sh', ['-c', script], { env: pm2.env, timeoutMs: 60_000 });
    assert.equal(result.code, 0, result.stdout + result.stderr);
  };

  const cases: { what: string; config: Partial<AppConfig>; says: RegExp; line: RegExp }[] = [
    {
      what: 'tsx as the interpreter',
      config: { script: app('typescript/service.ts'), interpreter: join(ROOT, 'node_modules/.bin/tsx') },
      says: /^PM2 manages tsx here/,
      line: /pm2 start \S*service\.ts --name 'the app \d' --interpreter node --node-args '--import tsx'/,
    },
    {
      what: 'a program that sets a variable and runs a command',
      config: { script: app('wraps.cjs'), args: ['node', app('http.cjs')] },
      says: /^PM2 manages wraps here/,
      line: /pm2 start \S*http\.cjs --name 'the app \d'; it also sets ADDED: env in the ecosystem file$/,
    },
    {
      what: 'node --watch',
      config: { script: app('http.cjs'), node_args: ['--watch'] },
      says: /^PM2 manages node --watch here/,
      line: /pm2 start \S*http\.cjs --name 'the app \d' --watch/,
    },
    {
      what: 'a shell',
      config: { script: '/bin/sh', args: ['-c', `node ${app('http.cjs')}; true`], interpreter: 'none' },
      says: /^PM2 manages (sh|dash|bash) here/,
      line: /pm2 start \S*http\.cjs --name 'the app \d'/,
    },
  ];
  for (const [at, { what, config, says, line }] of cases.entries()) {
    it(`${what}: it does not count as serving, and every action names the real process and the line to write instead`, async () => {
      const port = await freePort();
      const name = `the app ${at}`;
      await pm2.startApp({ name, cwd: ROOT, env: { PORT: port }, ...config } as AppConfig);
      const pid = await served(port);
      const row = await wrapped(name);
      assert.match(
        row?.real ?? '',
        new RegExp(`a child of it listens on \\S*:${port}, it does not: process ${pid} \\(node`),
      );
      const { findings } = JSON.parse((await command(pm2, 'doctor', '--json')).stdout) as DoctorReply;
      const about = findings.filter((finding) => finding.about?.startsWith(name));
      const found = about.find(({ check }) => check === 'wrapper');
      assert.ok(found, JSON.stringify(about));
      assert.match(found.what, says);
      assert.match(found.what, new RegExp(`process ${pid} `));
      assert.match(found.fix, line);
      assert.ok(
        about.every(({ fix }) => !fix.includes('pm2-ops/agent')),
        `an agent in a wrapper helps nobody: ${JSON.stringify(about)}`,
      );
      for (const action of ['drain', 'heapdump', 'leak-report', 'stack']) {
        if (action !== 'stack' && row?.attached) {
          const reply = await pm2.triggerOne<Refusal>(row.id, action);
          assert.equal(reply.code, 'E_WRAPPER', JSON.stringify(reply));
          assert.match(reply.message, new RegExp(`${action} belongs to its child, process ${pid} \\(node`));
          assert.equal(reply.hint, found.fix);
        }
        // As a command, also where no agent could be loaded into the wrapper.
        const told = await command(pm2, action, name);
        assert.equal(told.code, 1, told.stdout);
        assert.match(told.stderr + told.stdout, new RegExp(`belongs to its child, process ${pid} `));
      }
      assert.equal(await served(port), pid, 'the app was harmed');
      pm2.env.PORT = String(port);
      await type(found.fix);
      await untilAttached(pm2, name);
      const real = await pm2.process(name);
      assert.equal(await served(port), real.pid);
      assert.equal((await rowOf(name))?.state, 'serving');
      await pm2.ok('delete', name);
    });
  }

  const noWrappers: { what: string; env: Record<string, string> }[] = [
    { what: 'with a helper that listens', env: { HELPER: 'listens', SERVES: 'yes' } },
    { what: 'with a helper that can be debugged', env: { HELPER: 'inspected', SERVES: 'yes' } },
    { what: 'without a server, with a helper that can be debugged', env: { HELPER: 'inspected' } },
    { what: 'without a server, with a helper', env: {} },
  ];
  for (const [at, { what, env }] of noWrappers.entries()) {
    it(`an app ${what} is no wrapper`, async () => {
      const name = `app-${at}`;
      const port = await freePort();
      await pm2.startApp({ name, script: app('with-helper.cjs'), env: { PORT: port, ...env } });
      await untilAttached(pm2, name);
      if (env.SERVES) await served(port);
      assert.equal((await pm2.triggerOne<{ ok: boolean }>(name, 'gc')).ok, true);
      await waitFor(async () => (await rowOf(name))?.state === (env.SERVES ? 'serving' : 'no-server'), {
        what: 'its state',
        context: async () => JSON.stringify(await rowOf(name)),
      });
      assert.equal((await rowOf(name))?.wrapper, undefined);
      await pm2.ok('delete', name);
    });
  }

  it('an app that listens on nothing itself is told as the wrapper of the child that does, once that one does', async () => {
    await pm2.startApp({ name: 'supervisor', script: app('with-helper.cjs'), env: { HELPER: 'listens' } });
    await untilAttached(pm2, 'supervisor');
    await wrapped('supervisor');
    const reply = await pm2.triggerOne<Refusal>('supervisor', 'heapdump');
    assert.equal(reply.code, 'E_WRAPPER');
    await pm2.ok('delete', 'supervisor');
  });

  it('an app with a cluster of its own is not signalled: status, doctor and stack say why, and nothing is left open', async () => {
    const port = await freePort();
    const folder = dirname(app('own-cluster.cjs'));
    await pm2.startApp({
      name: 'own',
      script: app('own-cluster.cjs'),
      cwd: folder,
      env: { PORT: port, OWN_HANDLER: 'yes' },
    });
    await served(port);
    const row = await waitFor(async () => ((await rowOf('own'))?.code === 'own-cluster' ? rowOf('own') : undefined), {
      what: 'it is skipped',
      timeoutMs: 20_000,
      context: async () => JSON.stringify(await rowOf('own')),
    });
    assert.match(row?.reason ?? '', /forks workers of its own \(processes \d+, \d+\)/);
    assert.equal(row?.state, 'primary');
    const { findings, healthy } = JSON.parse((await command(pm2, 'doctor', '--json')).stdout) as DoctorReply;
    assert.equal(healthy, true, JSON.stringify(findings));
    assert.ok(
      findings.some(({ check, about, fix }) => check === 'attached' && about?.startsWith('own') && /pm2-ops/.test(fix)),
    );
    await command(pm2, 'stack', 'own');
    await pm2.noInspectorStaysOpen();
    assert.ok(!/SIGNALLED|Debugger/.test(pm2.logs('own')), pm2.logs('own'));
    await pm2.ok('delete', 'own');
  });

  it('with the agent preloaded such a primary is attached, its workers hear nothing of it, and a drain says who serves', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'own-preloaded',
      script: app('own-cluster.cjs'),
      node_args: ['--require', join(ROOT, 'dist/agent-preload.cjs')],
      env: { PORT: port },
    });
    const pid = await served(port);
    await untilAttached(pm2, 'own-preloaded');
    for (const action of ['drain', 'disable-keepalive']) {
      const reply = await pm2.triggerOne<Refusal>('own-preloaded', action);
      assert.equal(reply.code, 'E_WRAPPER', JSON.stringify(reply));
      assert.match(reply.message, new RegExp(`workers of its own.*processes [\\d, ]*\\b${pid}\\b`));
      assert.match(reply.hint, /exec_mode: 'cluster', instances: 2/);
    }
    assert.equal((await pm2.triggerOne<{ ok: boolean }>('own-preloaded', 'gc')).ok, true);
    await served(port);
    assert.ok(!/unexpected|Debugger/.test(pm2.logs('own-preloaded')), pm2.logs('own-preloaded'));
    await pm2.noInspectorStaysOpen();
    await pm2.ok('delete', 'own-preloaded');
  });
});
