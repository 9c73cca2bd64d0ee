// An app that loads the agent in its own code is covered as a prepared one is, and nothing has to be prepared.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command } from '../../../testkit/command.ts';
import { app, ROOT } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';
import { isFree, rowOf, untilHeld } from './prepared.ts';

const CLIENTS = { clients: 8, pauseMs: 5, keepAlive: false };
const AGENT = join(ROOT, 'dist/agent-preload.cjs');

async function restartsOf(pm2: Pm2, name: string): Promise<number> {
  return (await pm2.processes(name))[0]?.pm2_env.restart_time ?? -1;
}

async function pidOf(pm2: Pm2, name: string): Promise<number> {
  return (await pm2.processes(name))[0]?.pid ?? 0;
}

/** Starts such an app, and waits until it serves. @returns its port */
async function start(pm2: Pm2, name: string, { env = {}, ...options }: Record<string, unknown> = {}): Promise<number> {
  const port = await freePort();
  const script = app('loads-agent.cjs');
  await pm2.startApp({ name, script, ...options, env: { PORT: port, ...(env as object) } });
  await untilServing({ port });
  return port;
}

for (const node of nodes())
  describe(`An app that loads the agent itself, on Node ${node.major}`, () => {
    let pm2: Pm2;
    before(async () => {
      pm2 = await startWithModule({ node: node.path });
    });
    after(() => pm2.kill());

    for (const [how, options] of [
      ['require', {}],
      ['import', { script: app('loads-agent.mjs') }],
      ['--import', { script: app('slow-boot.cjs'), node_args: ['--import', AGENT], env: { MS: 100 } }],
    ] as const)
      it(`by ${how}, loses no request when PM2 restarts it, as soon as it serves`, async () => {
        const name = how.replace('--', 'option-');
        const port = await start(pm2, name, options);
        await untilAttached(pm2, name);
        await untilHeld(pm2, name);
        const load = startLoad({ port, ...CLIENTS });
        for (const verb of ['restart', 'reload', 'restart']) {
          const before = await pidOf(pm2, name);
          await pm2.ok(verb, name);
          await waitFor(async () => (await get({ port })).body !== `pid ${before}\n`, { what: 'its successor' });
        }
        const { failures, servedBy } = await load.stop();
        assert.deepEqual(failures, {});
        assert.equal(Object.keys(servedBy).length, 4);
        assert.equal(await restartsOf(pm2, name), 3, 'no start has failed');
      });

    it('is shown as covered, and doctor asks for nothing', async () => {
      const { door } = await rowOf(pm2, 'require');
      assert.equal(door.prepared, true);
      assert.equal(door.whyNot, undefined);
      const { stdout } = await command(pm2, 'doctor');
      assert.doesNotMatch(stdout, /refuses its clients until/);
    });
  });

describe('An app that loads the agent itself', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('frees its port when it is stopped', async () => {
    const port = await start(pm2, 'stopped');
    await untilHeld(pm2, 'stopped');
    await pm2.ok('stop', 'stopped');
    assert.equal(await isFree(port), true);
  });

  it('has no door in its children and workers, and none in cluster mode', async () => {
    const port = await start(pm2, 'sees');
    const { body } = await get({ port, path: '/options' });
    assert.deepEqual(JSON.parse(body), { child: { taken: false }, worker: false, main: true });
    const options = { exec_mode: 'cluster', env: { AGENT: 'first' } };
    const shared = await start(pm2, 'cluster', options);
    assert.match((await get({ port: shared, path: '/options' })).body, /"main":false/);
    assert.match((await rowOf(pm2, 'cluster')).door.whyNot ?? '', /cluster mode/);
  });

  it('starts at the second try when its new code does not load the agent any more', async () => {
    const port = await start(pm2, 'changed');
    await untilHeld(pm2, 'changed');
    await pm2.okWith({ env: { AGENT: 'none' } }, 'restart', 'changed', '--update-env');
    await untilServing({ port });
    assert.equal(await restartsOf(pm2, 'changed'), 2, 'one try failed');
    await untilAttached(pm2, 'changed');
    assert.equal((await rowOf(pm2, 'changed')).door.prepared, false);
    await pm2.ok('restart', 'changed');
    await untilServing({ port });
    assert.equal(await restartsOf(pm2, 'changed'), 3);
  });

  it('is not covered, and starts, when it loads the agent after it has listened', async () => {
    const port = await start(pm2, 'late', { env: { AGENT: 'late' } });
    await untilAttached(pm2, 'late');
    assert.deepEqual(await rowOf(pm2, 'late').then(({ door }) => door), { held: [], prepared: false });
    await pm2.ok('restart', 'late');
    await untilServing({ port });
    assert.equal(await restartsOf(pm2, 'late'), 1);
  });

  it('is held again by the next module, and when the module came after it', async () => {
    const port = await start(pm2, 'again');
    await untilHeld(pm2, 'again');
    await pm2.ok('stop', 'pm2-ops');
    await pm2.ok('restart', 'again');
    await untilServing({ port });
    assert.equal(await restartsOf(pm2, 'again'), 1);
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'again');
    await untilHeld(pm2, 'again');
    const load = startLoad({ port, ...CLIENTS });
    await pm2.ok('restart', 'again');
    await untilServing({ port });
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('starts although the module that holds its port is stopped, and hears nothing', async () => {
    const port = await start(pm2, 'deaf');
    await untilHeld(pm2, 'deaf');
    const module = await pidOf(pm2, 'pm2-ops');
    process.kill(module, 'SIGSTOP');
    await pm2.ok('restart', 'deaf');
    await untilServing({ port }, 20_000);
    assert.equal(await restartsOf(pm2, 'deaf'), 1);
    await waitFor(async () => ![0, module].includes(await pidOf(pm2, 'pm2-ops')), { what: 'the next module' });
    await pm2.online('pm2-ops');
    await untilHeld(pm2, 'deaf');
  });

  it('is left alone with the setting door off', async () => {
    await pm2.ok('set', 'pm2-ops:door', 'off');
    await pm2.online('pm2-ops');
    const port = await start(pm2, 'off');
    await untilAttached(pm2, 'off');
    const { door } = await rowOf(pm2, 'off');
    assert.deepEqual(door.held, []);
    assert.match(door.whyNot ?? '', /setting door is off/);
    await pm2.ok('restart', 'off');
    await untilServing({ port });
    assert.equal(await restartsOf(pm2, 'off'), 1);
  });
});
