import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app, ROOT } from '../../testkit/folders.ts';
import { get, untilServing } from '../../testkit/load.ts';
import { packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { pm2Folder } from '../../testkit/pm2Versions.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

describe('a second start of the module', () => {
  let pm2: Pm2;
  let port: number;
  let runtime: ChildProcess | undefined;

  before(async () => {
    [pm2, port] = await Promise.all([startPm2(), freePort()]);
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: port } });
    await pm2.ok('install', await packModule());
    await untilAttached(pm2, 'web');
  });

  after(async () => {
    runtime?.kill('SIGKILL');
    await pm2?.kill();
  });

  it('by pm2-runtime beside a running daemon is harmless: every app is attached once and serves', async () => {
    const { pid } = await pm2.process('web');
    const first = await pm2.process('pm2-ops');
    const late = await freePort();
    const config = join(pm2.folder, 'late.json');
    const script = app('http.cjs');
    writeFileSync(
      config,
      JSON.stringify({ apps: [{ name: 'late', script, cwd: dirname(script), env: { PORT: late } }] }),
    );
    runtime = spawn(pm2.node, [join(pm2Folder(), 'bin', 'pm2-runtime'), 'start', config], {
      env: pm2.env,
      cwd: pm2.folder,
      stdio: 'ignore',
    });
    await pm2.online('late', 1, 20_000);
    await untilServing({ port: late });
    const started = await waitFor(
      async () => {
        const found = await pm2.processes('pm2-ops');
        const again = found.length > 1 || found.some(({ pid }) => pid > 0 && pid !== first.pid);
        return again && found.every(({ pm2_env }) => pm2_env.status === 'online') && found;
      },
      { what: 'PM2 to start it again', timeoutMs: 20_000 },
    );
    await untilAttached(pm2, 'web');
    await untilAttached(pm2, 'late');
    assert.equal((await pm2.process('web')).pid, pid);
    assert.equal(pm2.logs('late').match(/Debugger listening/g)?.length, 1, 'attached once');
    for (const where of [port, late]) assert.equal((await get({ port: where })).status, 200);
    const now = await pm2.processes('pm2-ops');
    assert.deepEqual(
      now.map(({ pid, pm2_env }) => [pid, pm2_env.status, pm2_env.restart_time]),
      started.map(({ pid, pm2_env }) => [pid, 'online', pm2_env.restart_time]),
      'no module process restarts in a loop',
    );
  });

  it('as a process of its own stands by, and takes over when the first one goes', async () => {
    const [module] = await pm2.processes('pm2-ops');
    await pm2.startApp({ name: 'second', script: join(ROOT, 'dist/main.mjs') });
    await waitFor(
      () => pm2.logs('second').includes(`stands by: pm2-ops with id ${module!.pm_id} acts for this daemon`),
      {
        what: 'it to stand by',
        context: () => pm2.logs('second'),
      },
    );
    await pm2.ok('uninstall', 'pm2-ops');
    await waitFor(() => /version .* watches \d+ processes/.test(pm2.logs('second')), {
      what: 'it to take over',
      context: () => pm2.logs('second'),
    });
  });
});
