import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MODULE_CMD, MODULE_TOPIC } from '../../contract/agentMessages.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('a service whose successor PM2 starts', (node) => {
  it('ends idle connections with their next response, told where no message listener hears it', async (t) => {
    const service = start(t, node);
    const port = await service.port();
    const connection = async () => (await fetch(`http://127.0.0.1:${port}/`)).headers.get('connection');
    assert.equal(await connection(), 'keep-alive');
    service.child.send({ topic: MODULE_TOPIC, data: { kind: 'successor' } });
    assert.equal(await connection(), 'keep-alive', 'a message that anybody may send it');
    service.child.send({ cmd: MODULE_CMD, topic: MODULE_TOPIC, data: { kind: 'successor' } });
    await waitFor(async () => (await connection()) === 'close', { what: 'a connection that ends' });
  });
});
