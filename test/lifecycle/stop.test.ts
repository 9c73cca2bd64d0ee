import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('stop()', (node) => {
  it('drains and closes, and leaves nothing that keeps the process alive', async (t) => {
    const service = start(t, node, { resources: [{ name: 'database' }] });
    const port = await service.port();
    const slow = get({ port, path: '/slow?ms=500' });
    await get({ port });
    await get({ port, path: '/stop' });
    assert.equal((await slow).status, 200);
    assert.equal(await service.exit(), '0');
    assert.match(service.stdout, /^asked by a client: drained in \d+ ms: .* 0 cut$/m);
    assert.deepEqual(service.lines(/closed database/), ['closed database']);
  });
});
