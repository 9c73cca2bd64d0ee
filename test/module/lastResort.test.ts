import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app } from '../../testkit/folders.ts';
import { install } from '../../testkit/installed.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

describe('a module that cannot start', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startPm2();
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
  });
  after(() => pm2?.kill());

  it('tries again so slowly that PM2 never gives it up, and comes when the reason is gone', async () => {
    const inItsPlace = join(pm2.home, 'pm2-ops');
    writeFileSync(inItsPlace, 'not a folder');
    const began = performance.now();
    await install(pm2);
    await waitFor(async () => (await pm2.process('pm2-ops')).pm2_env.restart_time >= 2, {
      what: 'two starts that failed',
      timeoutMs: 20_000,
    });
    // PM2 counts those that lived for less than a second, up to 16 of them.
    assert.ok(performance.now() - began > 5_000, `${performance.now() - began} ms`);
    assert.match(pm2.logs('pm2-ops'), /cannot start: Error: (.|\n)* at /);
    rmSync(inItsPlace);
    await untilAttached(pm2, 'web');
  });
});
