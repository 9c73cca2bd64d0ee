// Whatever becomes of the module, an app that is prepared starts, and serves on.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DOOR_FILE } from '../../../contract/door.ts';
import { app } from '../../../testkit/folders.ts';
import { install, startWithModule } from '../../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';
import { prepared, startPrepared, untilHeld } from './prepared.ts';

interface Seen {
  execArgv: string[];
  options?: string;
  child: { execArgv: string[]; taken: boolean };
  worker: boolean;
  main: boolean;
}

async function pidOf(pm2: Pm2, name: string): Promise<number> {
  return (await pm2.processes(name))[0]?.pid ?? 0;
}

/** Restarts that have failed to listen, and been tried again, would be more than one. */
async function restartsOf(pm2: Pm2, name: string): Promise<number> {
  return (await pm2.processes(name))[0]?.pm2_env.restart_time ?? -1;
}

for (const node of nodes())
  describe(`A prepared app, on Node ${node.major}`, () => {
    let pm2: Pm2;
    before(async () => {
      pm2 = await startWithModule({ node: node.path });
    });
    after(() => pm2.kill());

    it('sees nothing of it in its options, its children and its workers', async () => {
      const port = await startPrepared(pm2, 'sees', { script: app('listens-later.cjs') });
      const { body } = await get({ port, path: '/options' });
      const seen = JSON.parse(body) as Seen;
      assert.deepEqual(seen, { execArgv: [], child: { execArgv: [], taken: false }, worker: false, main: true });
    });

    it('serves on while the module is killed, and is held again by the next one', async () => {
      const port = await startPrepared(pm2, 'killed');
      const load = startLoad({ port, clients: 4, pauseMs: 5, keepAlive: false });
      await untilHeld(pm2, 'killed');
      const module = await pidOf(pm2, 'pm2-ops');
      process.kill(module, 'SIGKILL');
      await waitFor(async () => ![0, module].includes(await pidOf(pm2, 'pm2-ops')), { what: 'the next module' });
      await pm2.online('pm2-ops');
      await untilAttached(pm2, 'killed');
      await untilHeld(pm2, 'killed');
      await pm2.ok('restart', 'killed');
      await untilServing({ port });
      assert.deepEqual((await load.stop()).failures, {});
    });

    it('starts although the module that holds its port is stopped, and hears nothing', async () => {
      const port = await startPrepared(pm2, 'stopped');
      await untilHeld(pm2, 'stopped');
      const module = await pidOf(pm2, 'pm2-ops');
      process.kill(module, 'SIGSTOP');
      await pm2.ok('restart', 'stopped');
      await untilServing({ port }, 20_000);
      assert.equal(await restartsOf(pm2, 'stopped'), 1);
      await waitFor(async () => ![0, module].includes(await pidOf(pm2, 'pm2-ops')), { what: 'the next module' });
      await pm2.online('pm2-ops');
      await untilAttached(pm2, 'stopped');
      await untilHeld(pm2, 'stopped');
    });

    it('starts without the file, and after an uninstall while its port is held', async () => {
      const port = await startPrepared(pm2, 'uninstalled');
      await untilHeld(pm2, 'uninstalled');
      const load = startLoad({ port, clients: 4, pauseMs: 5, keepAlive: true });
      await sleep(300);
      await pm2.ok('uninstall', 'pm2-ops');
      assert.deepEqual((await load.stop()).failures, {}, 'no client notices the uninstall');
      await pm2.ok('restart', 'uninstalled');
      await untilServing({ port });
      assert.equal(await restartsOf(pm2, 'uninstalled'), 1);

      rmSync(join(pm2.home, 'pm2-ops', DOOR_FILE));
      await pm2.ok('restart', 'uninstalled');
      await untilServing({ port });
      assert.equal(await restartsOf(pm2, 'uninstalled'), 2);
      assert.equal(pm2.logs('uninstalled').includes('Error'), false, pm2.logs('uninstalled'));

      // As the docs say.
      await pm2.ok('restart', 'uninstalled', '--node-args', ' ');
      await untilServing({ port });
      const [{ pm2_env } = { pm2_env: {} }] = await pm2.processes('uninstalled');
      assert.doesNotMatch(JSON.stringify((pm2_env as { node_args?: unknown }).node_args ?? []), /import/);
    });

    it('is started by the next daemon from what pm2 save has kept, with and without the module', async () => {
      const port = await freePort();
      // Nothing is there to load: the module was uninstalled before.
      const env = { PORT: port, MS: 400 };
      await pm2.startApp({ name: 'saved', script: app('slow-boot.cjs'), node_args: prepared(pm2), env });
      await untilServing({ port });
      await pm2.ok('save', '--force');
      await pm2.ok('kill');
      await pm2.ok('resurrect');
      await untilServing({ port });
      assert.equal(existsSync(join(pm2.home, 'pm2-ops', DOOR_FILE)), false);

      await install(pm2);
      await untilAttached(pm2, 'saved');
      await pm2.ok('restart', 'saved');
      await untilServing({ port });
      await untilAttached(pm2, 'saved');
      await untilHeld(pm2, 'saved');
      await pm2.ok('kill');
      await pm2.ok('resurrect');
      await untilServing({ port });
    });
  });
