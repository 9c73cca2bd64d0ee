import assert from 'node:assert/strict';
import { it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { connect } from '../drain/helper.ts';
import { onEveryNode, start } from './helper.ts';

onEveryNode('a kill_timeout shorter than the slowest request', (node) => {
  it('is one warning that names both figures, before a reload cuts somebody off', async (t) => {
    const service = start(t, node, {}, { env: { pm_id: '0', kill_timeout: '400' } });
    const port = await service.port();
    await Promise.all([1, 2, 3].map((n) => get({ port, path: `/slow?ms=${600 * n}&token=secret` })));
    const [line] = await service.said(/^.* took .*$/m);
    assert.match(
      line,
      /^GET \/slow took \d+ ms, and a reload waits for 300 ms of kill_timeout 400: it would cut such a request off; try kill_timeout \d000$/,
    );
    assert.equal(service.stderr.match(/took/g)?.length, 1);
  });

  it('is not said of requests that fit, nor of streams of events', async (t) => {
    const service = start(t, node, {}, { env: { pm_id: '0', kill_timeout: '2000' } });
    const port = await service.port();
    const stream = await connect({ port, host: '127.0.0.1' });
    stream.socket.write('GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
    await stream.until((text) => text.includes('data: 1'));
    await get({ port, path: '/slow?ms=300' });
    service.child.kill('SIGINT');
    await stream.closed;
    assert.equal(await service.exit(), '0');
    assert.doesNotMatch(service.stderr + service.stdout, /took/);
  });
});
