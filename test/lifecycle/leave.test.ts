import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { connect, until } from '../drain/helper.ts';
import { onEveryNode, type ServiceProcess, start } from './helper.ts';

onEveryNode('a service that is told to leave', (node) => {
  const ways: [string, boolean, (service: ServiceProcess) => void][] = [
    ['SIGINT', true, ({ child }) => child.kill('SIGINT')],
    ['SIGTERM', true, ({ child }) => child.kill('SIGTERM')],
    ['shutdown', true, ({ child }) => child.send('shutdown')],
    ['SIGTERM', false, ({ child }) => child.kill('SIGTERM')],
  ];
  for (const [how, channel, tell] of ways) {
    it(`by ${how} ${channel ? 'under PM2' : 'without PM2'} answers what is on its way, closes in reverse order, exits with 0`, async (t) => {
      const resources = [{ name: 'database', close: 50 }, { name: 'cache' }];
      const service = start(t, node, { resources, killTimeoutMs: 8_000 }, { channel });
      const port = await service.port();
      const idle = await connect({ port, host: '127.0.0.1' });
      idle.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await idle.until((text) => text.includes('pid'));
      const slow = get({ port, path: '/slow?ms=700' });
      await get({ port }); // Taken after the slow one.
      tell(service);
      await until('it not to listen', () =>
        get({ port }).then(
          () => false,
          () => true,
        ),
      );
      idle.received = '';
      idle.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      await idle.until((text) => text.includes('pid'));
      assert.match(idle.received, /Connection: close/);
      assert.equal((await slow).status, 200);
      assert.equal(await service.exit(), '0');
      assert.match(service.stdout, new RegExp(`^${how}: drained in \\d+ ms: \\d+ finished, \\d+ closed, 0 cut$`, 'm'));
      assert.deepEqual(service.lines(/clos(ing|ed) \w+$/), [
        'closing cache',
        'closed cache',
        'closing database',
        'closed database',
      ]);
      assert.equal(service.stderr, '');
    });
  }

  it('cuts off what does not fit, still closes its resources, and is gone before SIGKILL', async (t) => {
    const resources = [{ name: 'database', close: 20 }];
    const service = start(t, node, { resources, killTimeoutMs: 2_000 });
    const port = await service.port();
    const slow = get({ port, path: '/slow?ms=60000&secret=1' });
    slow.catch(() => {});
    await get({ port }); // Taken after the slow one.
    const startedMs = performance.now();
    service.child.kill('SIGINT');
    assert.equal(await service.exit(), '0');
    assert.ok(performance.now() - startedMs < 2 * 2_000, 'as kill_timeout asks, on a busy machine, too');
    assert.equal((await slow).status, 503);
    assert.match(
      service.stderr,
      /^SIGINT: drained in \d+ ms: .* 1 cut \(GET \/slow\); .* kill_timeout 2000, try .*\n$/,
    );
    assert.deepEqual(service.lines(/closed database/), ['closed database']);
  });

  it('does not let one resource that never closes take the time of the others', async (t) => {
    const resources = [{ name: 'database' }, { name: 'cache', close: 'never' as const }];
    const service = start(t, node, { resources, killTimeoutMs: 2_000 });
    await service.port();
    const startedMs = performance.now();
    service.child.kill('SIGINT');
    assert.equal(await service.exit(), '0');
    assert.ok(performance.now() - startedMs < 2 * 2_000, 'as kill_timeout asks, on a busy machine, too');
    assert.deepEqual(service.lines(/clos(ing|ed) \w+$/), ['closing cache', 'closing database', 'closed database']);
    assert.match(service.stderr, /; not closed: cache \(close did not finish within \d+ ms\)\n$/);
  });

  it('says what failed to close, and closes the others', async (t) => {
    const resources = [{ name: 'database' }, { name: 'cache', close: { fails: 'already\ngone' } }];
    const service = start(t, node, { resources });
    await service.port();
    service.child.kill('SIGINT');
    assert.equal(await service.exit(), '0');
    assert.match(service.stderr, /; not closed: cache \(already gone\)\n$/);
    assert.deepEqual(service.lines(/closed database/), ['closed database']);
  });
});
