import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app, tempFolder } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

interface Drained {
  ok: boolean;
  pid: number;
  code?: string;
  state: string;
  finished: number;
  closed: number;
  cut: number;
  addresses: string[];
}

describe('drain and resume', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('of one of two instances under load: siblings take over, nothing is refused or lost, and it serves again', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'web',
      script: app('http.cjs'),
      exec_mode: 'cluster',
      instances: 2,
      env: { PORT: port },
    });
    await untilServing({ port });
    const [first, second] = await untilAttached(pm2, 'web');
    const load = startLoad({ port, clients: 64, path: '/?ms=5', pauseMs: 5 });
    await waitFor(() => Object.keys(load.stats().servedBy).length === 2, { what: 'both instances to serve' });

    const drained = await pm2.triggerOne<Drained>(first!.id, 'drain');
    assert.deepEqual(
      { ok: drained.ok, state: drained.state, cut: drained.cut },
      { ok: true, state: 'drained', cut: 0 },
    );
    assert.ok(drained.finished > 0, JSON.stringify(drained));

    load.phase();
    await waitFor(() => load.stats().requests > 500, { what: 'the sibling to serve everybody' });
    assert.deepEqual(Object.keys(load.phase().servedBy), [String(second!.pid)]);
    const last = await pm2.triggerOne<Drained>(second!.id, 'drain');
    assert.equal(last.code, 'E_LAST');

    const resumed = await pm2.triggerOne<Drained>(first!.id, 'resume');
    assert.equal(resumed.state, 'serving');
    // Its clients come back with new connections, which is what disable-keepalive of the sibling is for.
    await pm2.triggerOne(second!.id, 'disable-keepalive');
    await waitFor(() => load.stats().servedBy[String(first!.pid)], { what: 'the resumed instance to serve again' });
    const { failures } = await load.stop();
    assert.deepEqual(failures, {});
    await pm2.ok('delete', 'web');
  });

  it('by name of all instances at once: all but one drain, whatever PM2 sends', async () => {
    const port = await freePort();
    await pm2.startApp({
      name: 'all',
      script: app('http.cjs'),
      exec_mode: 'cluster',
      instances: 3,
      env: { PORT: port },
    });
    await untilServing({ port });
    await untilAttached(pm2, 'all');
    const load = startLoad({ port, clients: 16 });
    const replies = (await pm2.trigger<Drained>('all', 'drain')).map(({ value }) => value);
    assert.equal(replies.filter(({ state }) => state === 'drained').length, 2, JSON.stringify(replies));
    assert.equal(replies.filter(({ code }) => code === 'E_LAST').length, 1);
    await pm2.trigger('all', 'resume');
    assert.deepEqual((await load.stop()).failures, {});
    await pm2.ok('delete', 'all');
  });

  it('a request that is longer than the timeout is cut, counted, and the reply comes in time', async () => {
    const port = await freePort();
    await pm2.startApp({ name: 'long', script: app('http.cjs'), env: { PORT: port } });
    await untilServing({ port });
    await untilAttached(pm2, 'long');
    const request = get({ port, path: '/?ms=60000' }, 20_000).then(
      ({ status }) => `answered ${status}`,
      (error: Error) => error.message,
    );
    await waitFor(async () => (await pm2.triggerOne<{ inFlight: number }>('long', 'ops-status')).inFlight === 1, {
      what: 'the request to be in flight',
    });
    const drained = await pm2.triggerOne<Drained>('long', 'drain', { timeout: 500, force: true });
    assert.equal(drained.state, 'drained');
    assert.equal(drained.cut, 1);
    assert.notEqual(await request, 'answered 200');
    await pm2.ok('delete', 'long');
  });

  const sockets = tempFolder();
  const ways: [string, (port: number) => unknown[], 'fork' | 'cluster'][] = [
    ['a port and no host', (port) => [port], 'fork'],
    ['a port and no host', (port) => [port], 'cluster'],
    ['::', (port) => [port, '::'], 'fork'],
    ['::', (port) => [port, '::'], 'cluster'],
    ['127.0.0.1', (port) => [port, '127.0.0.1'], 'cluster'],
    ['port 0', () => [0], 'fork'],
    ['port 0', () => [0], 'cluster'],
    ['exclusive', (port) => [{ port, exclusive: true }], 'cluster'],
    ['a Unix socket', () => [join(sockets, 'fork')], 'fork'],
    ['a Unix socket', () => [join(sockets, 'cluster')], 'cluster'],
  ];
  for (const [index, [what, listenOn, mode]] of ways.entries()) {
    it(`${what} in ${mode} mode: the same address is served again`, async () => {
      const name = `listens-${index}`;
      const port = await freePort();
      await pm2.startApp({
        name,
        script: app('listens.cjs'),
        exec_mode: mode,
        env: { LISTEN: JSON.stringify(listenOn(port)) },
      });
      const [, printed = ''] = await waitFor(() => /ADDRESS (.+)/.exec(pm2.logs(name)), { what: 'its address' });
      const address = JSON.parse(printed) as string | { port: number };
      const where = typeof address === 'string' ? { socketPath: address } : { port: address.port };
      await untilServing(where);
      await untilAttached(pm2, name);
      const modeOf = () => (typeof address === 'string' ? statSync(address).mode : 0);
      const before = modeOf();
      assert.equal((await pm2.triggerOne<Drained>(name, 'drain', 'force=true timeout=500')).state, 'drained');
      await assert.rejects(get(where));
      const resumed = await pm2.triggerOne<Drained>(name, 'resume');
      assert.equal(resumed.state, 'serving', JSON.stringify(resumed));
      assert.equal((await get(where)).status, 200);
      assert.equal(modeOf(), before);
      assert.equal(pm2.logs(name).split('ADDRESS').length, 2, "the app's listening callback fired again");
      await pm2.ok('delete', name);
    });
  }
});
