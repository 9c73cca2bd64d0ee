import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { connect, until } from '../drain/helper.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('readiness', (node) => {
  it('follows the checks of the resources: lost, and back again, each said once', async (t) => {
    const service = start(t, node, { resources: [{ name: 'database' }, { name: 'cache' }] });
    const port = await service.port();
    const ask = async () => {
      const { status, body } = await get({ port, path: '/ready' });
      return {
        status,
        ...(JSON.parse(body) as { state: string; checks: { name: string; ok: boolean; error?: string }[] }),
      };
    };
    assert.equal((await ask()).status, 200);
    await get({ port, path: '/break?name=cache&how=connection+lost' });
    for (const _ of [1, 2]) {
      const { status, state, checks } = await ask();
      assert.deepEqual([status, state], [503, 'serving']);
      assert.deepEqual(
        checks.map(({ name, ok, error }) => [name, ok, error]),
        [
          ['database', true, undefined],
          ['cache', false, 'connection lost'],
        ],
      );
    }
    await get({ port, path: '/heal' });
    assert.equal((await ask()).status, 200);
    assert.deepEqual(service.stderr.trim().split('\n'), ['cache is not healthy: connection lost']);
    await service.said(/^cache is healthy again$/m);
  });

  it('does not wait for a check that hangs, and runs all of them side by side', async (t) => {
    const resources = ['one', 'two', 'three', 'four'].map((name) => ({ name }));
    const service = start(t, node, { resources, checkTimeoutMs: 1_500 });
    const port = await service.port();
    for (const { name } of resources) await get({ port, path: `/break?name=${name}&how=never` });
    const startedMs = performance.now();
    const { status, body } = await get({ port, path: '/ready' });
    assert.ok(performance.now() - startedMs < 4 * 1_500, 'one after the other they would take longer');
    assert.equal(status, 503);
    assert.match(body, /check did not finish within 1500 ms/);
  });

  it('is over from the moment that the service is told to leave', async (t) => {
    const service = start(t, node, { resources: [{ name: 'database' }], killTimeoutMs: 8_000 });
    const port = await service.port();
    const client = await connect({ port, host: '127.0.0.1' });
    client.socket.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.includes('"state":"serving"'));
    service.child.kill('SIGTERM');
    await until('it not to listen', () =>
      get({ port }).then(
        () => false,
        () => true,
      ),
    );
    client.socket.write('GET /ready HTTP/1.1\r\nHost: x\r\n\r\n');
    await client.until((text) => text.includes('HTTP/1.1 503') && text.includes('"state":"draining","checks":[]'));
    assert.equal(await service.exit(), '0');
  });
});
