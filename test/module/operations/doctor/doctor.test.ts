import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DoctorReply } from '../../../../contract/commandMessages.ts';
import { app } from '../../../../testkit/folders.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import { get } from '../../../../testkit/load.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import { untilAttached, untilSkipped } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';
import { type Advice, takeAdvice } from '../../../support/advice.ts';
import { createEcosystem, type Ecosystem } from './ecosystem.ts';

describe('pm2-ops doctor', () => {
  let pm2: Pm2;
  let advice: Advice;
  let apps: Ecosystem;
  before(async () => {
    pm2 = await startWithModule();
    advice = takeAdvice(pm2);
    apps = createEcosystem(pm2);
    await apps.start({ name: 'web', script: app('http.cjs'), exec_mode: 'cluster', instances: 2, kill_timeout: 8000 });
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

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
    await apps.start(
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
      { name: 'stops', script: app('http.cjs'), exec_mode: 'cluster', instances: 2, stop_exit_codes: [0] },
      { name: 'stopped', script: app('http.cjs') },
    );
    await pm2.okWith(
      { cwd: dirname(app('npm-start/server.cjs')), env: { PORT: String(await freePort()) } },
      ...['start', 'npm', '--name', 'wrapped', '--', 'start'],
    );
    for (const name of ['alone', 'hung', 'own', 'kids', 'thread', 'mute', 'nightly', 'one', 'stops'])
      await untilAttached(pm2, name);
    await untilSkipped(pm2, 'usr1', /SIGUSR1/);
    await untilSkipped(pm2, 'snake', /python/);
    await pm2.ok('stop', 'stopped');
    await get({ port: apps.port('hung'), path: '/block?ms=600000' });
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
      'warning stop-exit-codes stops',
      'info attached snake',
      'info alone alone',
      'info unprepared alone',
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
    ['unprepared', 'alone'],
    ['versions', 'old'],
    ['cron-restart', 'nightly'],
    ['stop-exit-codes', 'stops'],
    ['alone', 'one'],
  ] as const) {
    it(`${check}: its lines are pasted, it is gone, and ${name ?? 'all'} serves`, async () => {
      await advice.follow(await advice.finding(check, name));
      await advice.gone(check, name);
      if (name !== undefined) await apps.answers(name);
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
    assert.equal((await get({ port: apps.port('usr1') })).body, '[]');
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
    apps.edit('broken', app('http.cjs'));
    assert.equal((await advice.paste(commands[1]!)).code, 0);
    await advice.gone('errored', 'broken');
    await apps.answers('broken');
  });

  it('own-signal-handler, worker-thread and ready: the code is changed as it says, and reloaded', async () => {
    for (const [check, name] of [
      ['own-signal-handler', 'own'],
      ['worker-thread', 'thread'],
      ['ready', 'mute'],
    ] as const) {
      const { commands, fix } = await advice.finding(check, name);
      if (check === 'ready') assert.match(fix, /process\.send\?\.\('ready'\)/);
      apps.edit(name, app('http.cjs'));
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
      await apps.answers(name);
    }
  });

  it('an ecosystem file that is changed as it says holds, once PM2 has read it', async () => {
    for (const [check, name] of [
      ['alone', 'alone'],
      ['kill-timeout', 'own'],
    ] as const) {
      const { ecosystem: settings, fix } = await advice.finding(check, name);
      apps.write({ name, ...settings });
      const line = /pm2 delete .*$/m.exec(fix)?.[0] ?? 'pm2 reload ecosystem.config.js --only own';
      assert.equal((await advice.paste(line)).code, 0, line);
      await untilAttached(pm2, name);
      await advice.gone(check, name);
      await apps.answers(name);
    }
  });

  it('says that the module does not run', async () => {
    await pm2.ok('uninstall', 'pm2-ops');
    const { code, stderr } = await advice.paste('pm2-ops doctor');
    assert.equal(code, 1);
    assert.match(stderr, /install it: pm2 install pm2-ops/);
    // An app that loads the agent itself starts without the module, too.
    await pm2.ok('restart', 'usr1');
    await apps.answers('usr1');
  });
});

const RANKS = ['error', 'warning', 'info'];
