import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startWithModule } from '../../../testkit/installed.ts';
import { startLoad, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { isFree, startPrepared, untilHeld } from './prepared.ts';

const CLIENTS = { clients: 8, pauseMs: 5, keepAlive: false };

const PLACES = [
  ...nodes().map(({ major, path }) => ({ title: `on Node ${major}`, options: { node: path } })),
  ...(['5', '6'] as const).map((pm2) => ({ title: `on PM2 ${pm2}`, options: { pm2 } })),
];

for (const { title, options } of PLACES) {
  describe(`A prepared app in fork mode, ${title}`, () => {
    let pm2: Pm2;
    before(async () => {
      pm2 = await startWithModule(options);
    });
    after(() => pm2.kill());

    it('frees its port when it is stopped', async () => {
      const port = await startPrepared(pm2, 'stopped');
      await untilHeld(pm2, 'stopped');
      await pm2.ok('stop', 'stopped');
      assert.equal(await isFree(port), true);
    });

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
