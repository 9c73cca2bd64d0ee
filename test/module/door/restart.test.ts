import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startWithModule } from '../../../testkit/installed.ts';
import { startLoad, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { startPrepared } from './prepared.ts';

const CLIENTS = { clients: 8, pauseMs: 5, keepAlive: false };

for (const node of nodes()) {
  describe(`A prepared app in fork mode, on Node ${node.major}`, () => {
    let pm2: Pm2;
    before(async () => {
      pm2 = await startWithModule({ node: node.path });
    });
    after(() => pm2.kill());

    for (const command of ['restart', 'reload']) {
      it(`loses no request when pm2 ${command} replaces it, with a connection for each request`, async () => {
        const port = await startPrepared(pm2, command);
        const load = startLoad({ port, ...CLIENTS });
        for (let round = 0; round < 3; round++) {
          // A process without an agent yet dies at the signal, with the requests that it was answering.
          await untilAttached(pm2, command);
          await pm2.ok(command, command);
          await untilServing({ port });
        }
        const { failures, servedBy, maxMs } = await load.stop();
        assert.deepEqual(failures, {});
        assert.equal(Object.keys(servedBy).length, 4);
        assert.ok(maxMs < 3_000, `the longest wait took ${maxMs} ms`);
      });
    }
  });
}
