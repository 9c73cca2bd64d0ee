import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DoctorReply } from '../../module/commandProtocol.ts';
import { app, ROOT } from '../support/folders.ts';
import { startWithModule } from '../support/installed.ts';
import { get } from '../support/load.ts';
import type { Pm2 } from '../support/pm2.ts';
import { run } from '../support/run.ts';
import { untilAttached, untilSkipped } from '../support/status.ts';
import { freePort, waitFor } from '../support/wait-for.ts';

describe('pm2-ops doctor', () => {
  let pm2: Pm2;
  let port: number;
  before(async () => {
    pm2 = await startWithModule();
    await pm2.startApp([
      {
        name: 'web',
        script: app('http.cjs'),
        exec_mode: 'cluster',
        instances: 2,
        kill_timeout: 8000,
        env: { PORT: await freePort() },
      },
    ]);
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  const command = (...args: string[]) =>
    run(process.execPath, [join(ROOT, 'dist/cli.mjs'), 'doctor', ...args], { env: pm2.env, timeoutMs: 40_000 });
  const examine = async () => JSON.parse((await command('--json')).stdout) as DoctorReply;
  const told = ({ findings }: DoctorReply) =>
    findings.map(({ severity, check, about = '' }) => `${severity} ${check} ${about.replace(/ \(.*/, '')}`.trim());

  it('has nothing to say about a host on which all is well, and exits with 0', async () => {
    const { code, stdout } = await command();
    assert.match(stdout, /^\d+ checks: 0 errors, 0 warnings, 0 notes$/m);
    assert.equal(code, 0);
    assert.deepEqual(told(await pm2.triggerOne<DoctorReply>('pm2-ops', 'doctor', undefined, 30_000)), []);
  });

  it('says of each trouble what it is and what to type, and exits with 1', async () => {
    port = await freePort();
    await pm2.startApp([
      { name: 'alone', script: app('http.cjs'), env: { PORT: await freePort() }, max_memory_restart: '60M' },
      { name: 'hung', script: app('blocked.cjs'), env: { PORT: port }, kill_timeout: 500 },
      { name: 'own', script: app('own-sigint.cjs'), env: { PORT: await freePort() } },
      { name: 'usr1', script: app('own-sigusr1.cjs'), env: { PORT: await freePort() } },
      { name: 'snake', script: app('python.py'), interpreter: 'python3' },
      { name: 'broken', script: app('crashes.cjs'), max_restarts: 1, min_uptime: 60_000 },
    ]);
    await pm2.okWith(
      { cwd: dirname(app('npm-start/server.cjs')), env: { PORT: String(await freePort()) } },
      ...['start', 'npm', '--name', 'wrapped', '--', 'start'],
    );
    for (const name of ['alone', 'hung', 'own', 'wrapped']) await untilAttached(pm2, name);
    await untilSkipped(pm2, 'usr1', /SIGUSR1/);
    await untilSkipped(pm2, 'snake', /python/);
    await get({ port, path: '/block?ms=600000' });
    chmodSync(join(pm2.home, 'pm2-ops'), 0o755);
    const holder = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(9229, '127.0.0.1', () => console.log('up'))`,
    ]);
    try {
      await new Promise((resolve) => holder.stdout.once('data', resolve));
      const expected = [
        'error blocked hung',
        'error errored broken',
        'error state-folder',
        'warning attached usr1',
        'warning inspector-port',
        'warning wrapper wrapped',
        'warning memory-limit alone',
        'info attached snake',
        'info alone alone',
        'info kill-timeout alone',
        'info own-signal-handler own',
      ];
      const reply = await waitFor(
        async () => {
          const reply = await examine();
          return expected.every((each) => told(reply).includes(each)) && reply;
        },
        {
          what: 'all is found',
          timeoutMs: 30_000,
          context: async () => JSON.stringify((await examine()).findings, null, 1),
        },
      );
      assert.equal(reply.healthy, false);
      assert.ok(reply.findings.every(({ what, fix }) => what.length > 10 && fix.length > 5));
      const { code, stdout } = await command();
      assert.equal(code, 1);
      const hung = await pm2.process('hung');
      assert.match(
        stdout,
        new RegExp(
          `^✖ hung \\(id ${hung.pm_id}\\): its event loop has not answered for \\d+\\.\\d s\\n {4}pm2-ops stack ${hung.pm_id}$`,
          'm',
        ),
      );
      assert.match(stdout, /^✖ other users can read or enter .*pm2-ops.*\n {4}chmod -R go-rwx /m);
      assert.match(stdout, /^! node \(pid \d+\) listens on port 9229/m);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  it('says which settings were refused, and that the module does not run', async () => {
    await pm2.ok('set', 'pm2-ops:port', 'http');
    const reply = await waitFor(
      async () => {
        const reply = await examine();
        return reply.findings.some(({ check }) => check === 'settings') && reply;
      },
      { what: 'the refusal', timeoutMs: 30_000 },
    );
    const finding = reply.findings.find(({ check }) => check === 'settings');
    assert.match(finding?.what ?? '', /pm2-ops:port refused: "http" is not a port/);
    assert.equal(finding?.fix, 'pm2 unset pm2-ops:port');
    await pm2.ok('uninstall', 'pm2-ops');
    const { code, stderr } = await command();
    assert.equal(code, 1);
    assert.match(stderr, /install it: pm2 install pm2-ops/);
  });
});
