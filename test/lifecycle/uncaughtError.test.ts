import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('an error that nobody catches', (node) => {
  for (const [path, said] of [
    ['/throw', /^uncaught error: Error: thrown on purpose\n +at /m],
    ['/reject', /^unhandled rejection: Error: rejected on purpose\n +at /m],
  ] as const) {
    it(`(${path}) lets the others have their answers, closes, and ends the service with 1`, async (t) => {
      const service = start(t, node, { resources: [{ name: 'database' }], killTimeoutMs: 3_000 });
      const port = await service.port();
      const slow = get({ port, path: '/slow?ms=700' });
      await get({ port });
      const unlucky = get({ port, path }).then(({ status }) => status);
      assert.equal((await slow).status, 200);
      assert.equal(await unlucky, 503);
      assert.equal(await service.exit(), '1');
      assert.match(service.stderr, said);
      assert.match(service.stderr, /^uncaught error: drained in \d+ ms: .*1 cut \(GET \/(throw|reject)\)/m);
      assert.deepEqual(service.lines(/closed database/), ['closed database']);
    });
  }

  it('again and again fills no log, and does not stop it from leaving with 1', async (t) => {
    const service = start(t, node, { resources: [{ name: 'database' }], loud: true });
    assert.equal(await service.exit(), '1');
    assert.ok(service.stderr.match(/^uncaught error: Error/gm)!.length <= 10, service.stderr);
    assert.deepEqual(service.lines(/closed database/), ['closed database']);
  });
});
