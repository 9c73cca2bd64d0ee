import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DoctorReply } from '../../../../contract/commandMessages.ts';
import { app, releaseFolder, tempFolder } from '../../../../testkit/folders.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import { get, type Load, startLoad, untilServing } from '../../../../testkit/load.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import type { AppConfig, Pm2Process } from '../../../../testkit/pm2Versions.ts';
import { moduleStatus, untilAttached, untilSkipped } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';
import { type Advice, takeAdvice } from '../../../support/advice.ts';
import { cannotMount, mountSmall } from '../../../support/limits.ts';

describe('pm2-ops doctor', () => {
  let pm2: Pm2;
  let advice: Advice;
  /** By app. */
  const ports = new Map<string, number>();
  before(async () => {
    pm2 = await startWithModule();
    advice = takeAdvice(pm2);
    await start({ name: 'web', script: app('http.cjs'), exec_mode: 'cluster', instances: 2, kill_timeout: 8000 });
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  /** Starts apps from a file in which each has a copy of its script, so that its advice can be followed there. */
  async function start(...apps: AppConfig[]): Promise<void> {
    const folder = join(pm2.folder, 'srv');
    mkdirSync(folder, { recursive: true });
    for (const each of apps) {
      const port = await freePort();
      ports.set(each.name, port);
      const script = join(folder, `${each.name}-${basename(each.script)}`);
      if (existsSync(each.script)) copyFileSync(each.script, script);
      write({ ...each, script: existsSync(each.script) ? script : each.script, env: { PORT: port } });
    }
    await pm2.ok('start', ecosystem(), '--only', apps.map(({ name }) => name).join(','));
  }

  const ecosystem = () => join(pm2.folder, 'ecosystem.config.js');
  const configs = new Map<string, AppConfig>();
  /** Writes settings of an app into the ecosystem file. */
  function write(config: { name: string } & Record<string, unknown>): void {
    configs.set(config.name, { ...configs.get(config.name)!, ...config });
    writeFileSync(ecosystem(), `module.exports = ${JSON.stringify({ apps: [...configs.values()] })}`);
  }
  const edit = (name: string, script: string) => copyFileSync(script, configs.get(name)!.script);
  const answers = (name: string) => untilServing({ port: ports.get(name)!, host: '127.0.0.1' });
  const told = ({ findings }: DoctorReply) =>
    findings.map(({ severity, check, about = '' }) => `${severity} ${check} ${about.replace(/ \(id.*/, '')}`.trim());

  it('has nothing to say about a host on which all is well, and exits with 0', async () => {
    const { code, stdout } = await advice.paste('pm2-ops doctor');
    assert.match(stdout, /^\d+ checks: 0 errors, 0 warnings, 0 notes$/m);
    assert.equal(code, 0);
    assert.deepEqual(told(await pm2.triggerOne<DoctorReply>('pm2-ops', 'doctor', undefined, 30_000)), []);
  });

  it('says of each trouble what it is and what to type, the worst first, and exits with 1', async () => {
    const old = join(pm2.folder, 'bin/node18');
    writeFileSync(
      `${old}.cjs`,
      `Object.defineProperty(process, 'version', { value: 'v18.20.0' });
      setTimeout(() => process.send?.({ node_version: '18.20.0' }), 300);`,
    );
    writeFileSync(old, `#!/bin/sh\nexec ${process.execPath} -r ${old}.cjs "$@"\n`);
    chmodSync(old, 0o755);
    await start(
      { name: 'alone', script: app('http.cjs'), max_memory_restart: '60M' },
      { name: 'hung', script: app('blocked.cjs'), kill_timeout: 500 },
      { name: 'own', script: app('own-sigint.cjs') },
      { name: 'usr1', script: app('advice/own-usr1-forks.cjs'), node_args: ['--no-warnings'] },
      { name: 'snake', script: app('python.py'), interpreter: 'python3' },
      { name: 'broken', script: app('crashes.cjs'), max_restarts: 1, min_uptime: 60_000 },
      { name: 'kids', script: app('advice/children.cjs'), exec_mode: 'cluster', instances: 2, kill_timeout: 8000 },
      { name: 'thread', script: app('advice/worker-thread.cjs') },
      { name: 'mute', script: app('never-ready.cjs'), wait_ready: true, listen_timeout: 500 },
      { name: 'old', script: app('http.cjs'), interpreter: old },
      {
        ...{ name: 'nightly', script: app('http.cjs'), exec_mode: 'cluster', instances: 2 },
        ...{ cron_restart: '0 4 * * *', kill_timeout: 8000 },
      },
      { name: 'one', script: app('http.cjs'), exec_mode: 'cluster', instances: 1, kill_timeout: 8000 },
      { name: 'stopped', script: app('http.cjs') },
    );
    await pm2.okWith(
      { cwd: dirname(app('npm-start/server.cjs')), env: { PORT: String(await freePort()) } },
      ...['start', 'npm', '--name', 'wrapped', '--', 'start'],
    );
    for (const name of ['alone', 'hung', 'own', 'kids', 'thread', 'mute', 'nightly', 'one'])
      await untilAttached(pm2, name);
    await untilSkipped(pm2, 'usr1', /SIGUSR1/);
    await untilSkipped(pm2, 'snake', /python/);
    await pm2.ok('stop', 'stopped');
    await get({ port: ports.get('hung')!, path: '/block?ms=600000' });
    chmodSync(join(pm2.home, 'pm2-ops'), 0o755);
    const expected = [
      'error blocked hung',
      'error errored broken',
      'error state-folder',
      'warning attached usr1',
      'warning wrapper wrapped',
      'warning memory-limit alone',
      'warning children kids',
      'warning worker-thread thread',
      'warning ready mute',
      'warning versions old',
      'warning cron-restart nightly',
      'info attached snake',
      'info alone alone',
      'info alone one',
      'info own-signal-handler own',
    ];
    const reply = await waitFor(
      async () => {
        const reply = await advice.examine();
        return expected.every((each) => told(reply).includes(each)) && reply;
      },
      {
        what: 'all is found',
        timeoutMs: 60_000,
        context: async () => JSON.stringify((await advice.examine()).findings, null, 1),
      },
    );
    assert.equal(reply.healthy, false);
    assert.ok(reply.findings.every(({ what, fix }) => what.length > 10 && fix.length > 5));
    const severities = reply.findings.map(({ severity }) => severity);
    assert.deepEqual(
      severities,
      [...severities].sort((a, b) => RANKS.indexOf(a) - RANKS.indexOf(b)),
    );
    assert.deepEqual(
      reply.findings.filter(({ subjects }) => subjects.some((subject) => subject.startsWith('stopped'))),
      [],
    );
    const { code, stdout } = await advice.paste('pm2-ops doctor');
    assert.equal(code, 1);
    const hung = await pm2.process('hung');
    assert.match(
      stdout,
      new RegExp(
        `^✖ hung \\(id ${hung.pm_id}\\): its event loop has not answered for \\d+\\.\\d s\\n {4}pm2-ops stack ${hung.pm_id}\\n {4}pm2 restart ${hung.pm_id}$`,
        'm',
      ),
    );
    assert.match(stdout, /^✖ other users can read or enter .*pm2-ops.*\n {4}chmod -R go-rwx /m);
    const byTrigger = await pm2.triggerOne<DoctorReply>('pm2-ops', 'doctor', undefined, 30_000);
    assert.match(JSON.stringify(byTrigger), new RegExp(`pm2 trigger pm2-ops stack id=${hung.pm_id}`));
    assert.doesNotMatch(JSON.stringify(byTrigger), /pm2-ops (stack|reload|heapdump)\b(?! (id|app)=| 'app=)/);
  });

  /** What is done by the shell alone: the lines are pasted, the finding is gone, the app serves. */
  for (const [check, name] of [
    ['blocked', 'hung'],
    ['state-folder', undefined],
    ['attached', 'usr1'],
    ['memory-limit', 'alone'],
    ['kill-timeout', 'alone'],
    ['versions', 'old'],
    ['cron-restart', 'nightly'],
    ['alone', 'one'],
  ] as const) {
    it(`${check}: its lines are pasted, it is gone, and ${name ?? 'all'} serves`, async () => {
      await advice.follow(await advice.finding(check, name));
      await advice.gone(check, name);
      if (name !== undefined) await answers(name);
    });
  }

  it('an app that loads the agent itself keeps its options, and its children send it nothing', async () => {
    const [usr1] = await untilAttached(pm2, 'usr1');
    assert.equal(usr1!.attached, true);
    assert.deepEqual((await pm2.process('usr1')).pm2_env.node_args, [
      '--no-warnings',
      '--import',
      join(pm2.home, 'pm2-ops/agent-preload.cjs'),
    ]);
    assert.equal((await get({ port: ports.get('usr1')! })).body, '[]');
    assert.doesNotMatch(pm2.logs('usr1'), /HANDLER CALLED/);
  });

  it('PM2 has forgotten the job of cron_restart', () => {
    const lines = pm2.daemonLog().split('\n');
    const registered = lines.filter((line) => /Registering a cron job/.test(line)).length;
    assert.equal(lines.filter((line) => /Deregistering a cron job/.test(line)).length, registered);
  });

  it('errored: the log is read, the app mended, and the second line has it serve', async () => {
    const { commands } = await advice.finding('errored', 'broken');
    assert.match((await advice.paste(commands[0]!)).stdout, /no database configured/);
    edit('broken', app('http.cjs'));
    assert.equal((await advice.paste(commands[1]!)).code, 0);
    await advice.gone('errored', 'broken');
    await answers('broken');
  });

  it('own-signal-handler, worker-thread and ready: the code is changed as it says, and reloaded', async () => {
    for (const [check, name] of [
      ['own-signal-handler', 'own'],
      ['worker-thread', 'thread'],
      ['ready', 'mute'],
    ] as const) {
      const { commands, fix } = await advice.finding(check, name);
      if (check === 'ready') assert.match(fix, /process\.send\?\.\('ready'\)/);
      edit(name, app('http.cjs'));
      for (const line of commands.length > 0 ? commands : [`pm2 reload ${name}`])
        assert.ok([0, 1].includes((await advice.paste(line)).code!), line);
    }
    await pm2.ok('reload', 'own');
    for (const [check, name] of [
      ['own-signal-handler', 'own'],
      ['worker-thread', 'thread'],
      ['ready', 'mute'],
    ] as const) {
      await untilAttached(pm2, name);
      await advice.gone(check, name);
      await answers(name);
    }
  });

  it('a server in a worker thread is said to be one, by status and by what cannot be done', async () => {
    await start({ name: 'thread2', script: app('advice/worker-thread.cjs') });
    await untilAttached(pm2, 'thread2');
    await answers('thread2');
    const where = `127.0.0.1:${ports.get('thread2')}`;
    const drain = await advice.paste('pm2-ops drain thread2');
    assert.equal(drain.code, 1);
    assert.match(drain.stderr, new RegExp(`its server on ${where} is in a worker thread .*\\(E_NO_SERVER\\)`));
    const dump = await advice.paste('pm2-ops heapdump thread2');
    assert.match(dump.stdout, new RegExp(`not drained: its server on ${where} is in a worker thread`));
    assert.match(
      (await advice.paste('pm2-ops status')).stdout,
      new RegExp(`thread2 .* listens on ${where} in a worker`),
    );
  });

  it('an ecosystem file that is changed as it says holds, once PM2 has read it', async () => {
    for (const [check, name] of [
      ['alone', 'alone'],
      ['kill-timeout', 'own'],
    ] as const) {
      const { ecosystem: settings, fix } = await advice.finding(check, name);
      write({ name, ...settings });
      const line = /pm2 delete .*$/m.exec(fix)?.[0] ?? 'pm2 reload ecosystem.config.js --only own';
      assert.equal((await advice.paste(line)).code, 0, line);
      await untilAttached(pm2, name);
      await advice.gone(check, name);
      await answers(name);
    }
  });

  it('children: nothing is lost by pm2-ops reload, nor by pm2 reload once its line was followed', async () => {
    const finding = await advice.finding('children', 'kids');
    assert.match(finding.what, /has 2 child processes \(kids-children\.cjs, pid \d+; kids-children\.cjs, pid \d+\)/);
    const clients = () => startLoad({ port: ports.get('kids')!, host: '127.0.0.1', clients: 16, pauseMs: 5 });
    let load: Load = clients();
    try {
      const own = /this reload loses nothing: (.*)$/m.exec(finding.fix)?.[1] ?? '';
      const { code, stderr } = await advice.paste(own);
      assert.equal(code, 0, `${own}: ${stderr}`);
      const drained = load.phase();
      assert.deepEqual([drained.failures, drained.requests > 0], [{}, true]);
      await load.stop();
      await untilAttached(pm2, 'kids');
      await advice.follow(await advice.finding('children', 'kids'));
      await untilAttached(pm2, 'kids');
      await advice.gone('children', 'kids');
      load = clients();
      await waitFor(() => load.counts().requests > 50, { what: 'clients' });
      assert.equal((await advice.paste('pm2 reload kids')).code, 0);
      assert.deepEqual(load.phase().failures, {});
    } finally {
      await load.stop();
    }
  });

  it('inspector-port: whoever has it is named, and gone when it has ended', async () => {
    const holder = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(9229, '127.0.0.1', () => console.log('up'))`,
    ]);
    try {
      await new Promise((resolve) => holder.stdout.once('data', resolve));
      const { commands, what } = await advice.finding('inspector-port');
      assert.match(what, new RegExp(`^node \\(pid ${holder.pid}\\) listens on port 9229`));
      assert.match((await advice.paste(commands[0]!)).stdout, /createServer/);
    } finally {
      holder.kill('SIGKILL');
    }
    await advice.gone('inspector-port');
  });

  it('disk: old dumps are deleted as it says, and there is room again', async (context: TestContext) => {
    const reason = cannotMount();
    if (reason) return context.skip(reason);
    const dumps = join(pm2.home, 'pm2-ops/dumps');
    const unmount = mountSmall(dumps, 'size=600m');
    try {
      const file = join(dumps, 'web-0-1-20200101T000000000Z.heapsnapshot');
      writeFileSync(file, Buffer.alloc(200 * 2 ** 20));
      const finding = await advice.finding('disk');
      assert.match(finding.what, /has 400 MB free; 512 MB are advisable/);
      await advice.follow(finding);
      await advice.gone('disk');
    } finally {
      unmount();
    }
  });

  it('unlisted: a process that PM2 has forgotten is named, ended by its line, and the app serves', async () => {
    // As an overlapping reload of older versions of PM2 does, another process takes its place in PM2's list.
    const [{ pid, pm_id, pm2_env }] = (await pm2.processes('web')) as [Pm2Process, Pm2Process];
    await pm2.call('prepare', { ...pm2_env, pm_id, instances: 1 });
    const finding = await advice.finding('unlisted', 'web');
    assert.deepEqual(finding.commands, [`kill ${pid}`]);
    await advice.follow(finding);
    await advice.gone('unlisted', 'web');
    await answers('web');
  });

  it('settings: what was refused, and names that are nobody, are put right by their lines', async () => {
    await pm2.ok('set', 'pm2-ops:port', 'http');
    await pm2.ok('set', 'pm2-ops:exclude', 'web one, wbe');
    await untilSkipped(pm2, 'web', /excluded/);
    const refused = await advice.finding('settings');
    assert.match(refused.what, /pm2-ops:port refused: "http" is not a port/);
    const { findings } = await advice.examine();
    const names = findings.filter(({ check }) => check === 'setting-names');
    assert.deepEqual(
      names.map(({ what, commands }) => [/"(.*)"/.exec(what)?.[1], commands[0]]),
      [
        ['web one', 'pm2 set pm2-ops:exclude wbe,web,one'],
        ['wbe', "pm2 set pm2-ops:exclude 'web one'"],
      ],
    );
    await advice.follow(refused);
    await advice.follow(names[0]!);
    await advice.follow(await advice.finding('setting-names'));
    await advice.gone('settings');
    await advice.gone('setting-names');
    assert.deepEqual((await moduleStatus(pm2)).settings.exclude, ['web', 'one']);
    await advice.follow(await advice.finding('attached', 'web'));
    await untilAttached(pm2, 'web');
    await advice.gone('attached', 'web');
  });

  it('says that the module does not run', async () => {
    await pm2.ok('uninstall', 'pm2-ops');
    const { code, stderr } = await advice.paste('pm2-ops doctor');
    assert.equal(code, 1);
    assert.match(stderr, /install it: pm2 install pm2-ops/);
    // An app that loads the agent itself starts without the module, too.
    await pm2.ok('restart', 'usr1');
    await answers('usr1');
  });
});

const RANKS = ['error', 'warning', 'info'];

describe('pm2-ops doctor on a Node without symbols', { skip: withoutStrip() }, () => {
  it('kernel: an app that loads the agent itself, as it says, is attached without a signal', async () => {
    const folder = tempFolder();
    const node = join(folder, 'node');
    execFileSync('strip', ['-o', node, process.execPath]);
    const pm2 = await startWithModule({ node });
    try {
      const advice = takeAdvice(pm2);
      const port = await freePort();
      await pm2.startApp({ name: 'my app', script: app('http.cjs'), kill_timeout: 8000, env: { PORT: port } });
      const finding = await advice.finding('kernel', 'my app');
      assert.match(
        finding.what,
        /stripped of its symbols: pm2-ops cannot see whether an app has its own SIGUSR1 handler/,
      );
      await advice.follow(finding);
      await advice.gone('kernel');
      await untilAttached(pm2, 'my app');
      await untilServing({ port });
    } finally {
      await pm2.kill();
      releaseFolder(folder);
    }
  });
});

function withoutStrip(): string | false {
  return spawnSync('strip', ['--version']).status === 0 ? false : 'strip is not installed';
}
