import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app } from '../../testkit/folders.ts';
import { copyPackage } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

describe('pm2 install . in the checkout', () => {
  let pm2: Pm2;
  let checkout: string;

  before(async () => {
    [pm2, checkout] = await Promise.all([startPm2(), copyPackage()]);
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
    await pm2.okWith({ cwd: checkout }, 'install', '.');
  });

  after(() => pm2?.kill());

  it('runs the module from there', async () => {
    assert.equal((await pm2.process('pm2-ops')).pm2_env.pm_exec_path, join(checkout, 'dist', 'main.mjs'));
    await untilAttached(pm2, 'web');
  });

  it('restarts it when a file changes', async () => {
    const { pid } = await pm2.process('pm2-ops');
    await waitFor(
      async () => {
        const now = new Date();
        utimesSync(join(checkout, 'dist', 'main.mjs'), now, now);
        return (await pm2.process('pm2-ops')).pid !== pid;
      },
      { what: 'another pid of the module', everyMs: 500, timeoutMs: 15_000 },
    );
    await untilAttached(pm2, 'web');
  });

  it('is forgotten with the daemon', async () => {
    await pm2.ok('kill');
    await pm2.ok('ping');
    assert.deepEqual(await pm2.list(), []);
  });
});
