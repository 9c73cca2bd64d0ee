import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { isFree, startPrepared, untilHeld } from './prepared.ts';

const CLIENTS = { clients: 8, pauseMs: 5, keepAlive: false };
/** Between two looks of PM2 at the memory of its processes. */
const MEMORY_LOOK_MS = 1_000;
/** From the start of the app to its restart by cron: it is attached by then. */
const CRON_IN_MS = 12_000;

describe('A prepared app in fork mode that PM2 restarts by itself', { concurrency: 3 }, () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule({ env: { PM2_WORKER_INTERVAL: String(MEMORY_LOOK_MS) } });
  });
  after(() => pm2.kill());

  /** Has clients at the app from before the restart to after it. */
  async function assertNothingLost(name: string, port: number, restart: () => unknown): Promise<void> {
    await untilAttached(pm2, name);
    await untilHeld(pm2, name);
    const { pid } = await pm2.process(name);
    const load = startLoad({ port, ...CLIENTS });
    await restart();
    const isReplaced = async () => ![0, pid].includes((await pm2.process(name)).pid);
    await waitFor(isReplaced, { what: 'another process', timeoutMs: 60_000, context: () => pm2.daemonLog() });
    await waitFor(() => Object.keys(load.stats().servedBy).length === 2, { what: 'requests that it serves' });
    assert.deepEqual((await load.stop()).failures, {}, pm2.daemonLog());
  }

  it('loses no request at its memory limit', async () => {
    const options = { script: app('grows.cjs'), max_memory_restart: '200M', env: { MB: 200 } };
    const port = await startPrepared(pm2, 'grows', options);
    await assertNothingLost('grows', port, () => get({ port, path: '/grow' }));
    assert.match(pm2.daemonLog(), /exceeds --max-memory-restart/);
    await pm2.ok('delete', 'grows');
  });

  it('loses no request when cron restarts it', async () => {
    const due = new Date(Date.now() + CRON_IN_MS);
    const port = await startPrepared(pm2, 'cron', {
      cron_restart: `${due.getSeconds()} ${due.getMinutes()} * * * *`,
    });
    await assertNothingLost('cron', port, () => {});
    await pm2.ok('delete', 'cron');
  });

  it('loses no request when a watched file changes', async () => {
    const folder = tempFolder();
    const script = join(folder, 'app.cjs');
    copyFileSync(app('slow-boot.cjs'), script);
    const port = await startPrepared(pm2, 'watched', { script, watch: [folder], cwd: folder });
    await assertNothingLost('watched', port, () => writeFileSync(join(folder, 'changed.txt'), 'x'));
    assert.match(pm2.daemonLog(), /Change detected on path/);
    await pm2.ok('delete', 'watched');
  });
});

describe('A prepared app in fork mode', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('loses no request on a port that only root may listen on', { skip: notRoot() }, async () => {
    const port = await lowPort();
    await startPrepared(pm2, 'low', { env: { PORT: port } });
    await untilHeld(pm2, 'low');
    const load = startLoad({ port, ...CLIENTS });
    await pm2.ok('restart', 'low');
    await untilServing({ port });
    const { failures, servedBy } = await load.stop();
    assert.deepEqual(failures, {});
    assert.equal(Object.keys(servedBy).length, 2);
    await pm2.ok('delete', 'low');
  });

  it('serves again after pm2 update, with another daemon and another module, and is held again', async () => {
    const port = await startPrepared(pm2, 'updated');
    await untilHeld(pm2, 'updated');
    const daemon = pm2.daemonPid();
    await pm2.ok('update');
    assert.notEqual(pm2.daemonPid(), daemon);
    await untilServing({ port });
    await untilAttached(pm2, 'updated');
    await untilHeld(pm2, 'updated');
    assert.equal((await pm2.process('updated')).pm2_env.restart_time, 0, 'its port was free');
  });
});

async function lowPort(): Promise<number> {
  for (let port = 1023; port > 0; port--) if (await isFree(port)) return port;
  throw new Error('every port below 1024 is taken');
}

function notRoot(): string | false {
  return process.geteuid?.() === 0 ? false : 'needs root';
}
