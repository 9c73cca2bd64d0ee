import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { it } from 'node:test';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT } from '../../testkit/folders.ts';
import { figuresOf, outcomesOf, type Ports, startCounting, startFarEnd } from '../support/countingClients.ts';
import { onEveryNode, ServiceProcess } from './helper.ts';

onEveryNode('a service that SIGTERM ends', (node) => {
  for (const [what, ms, killTimeoutMs] of [
    ['everything is finished in time', 1_500, 4_000],
    ['nothing ends by itself', 60_000, 1_500],
  ] as const) {
    it(`says of its drain what its clients saw, when ${what}`, async (t) => {
      const child = fork(join(ROOT, 'test', 'lifecycle', 'everyStream.mjs'), {
        execPath: node,
        execArgv: [],
        env: cleanEnvironment({ KILL_TIMEOUT_MS: String(killTimeoutMs) }),
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
      t.after(() => child.kill('SIGKILL'));
      const service = new ServiceProcess(child);
      const ports = JSON.parse((await service.said(/PORTS (.*)/))[1]!) as Ports;
      const counting = await startCounting(t, { ...ports, ...(await startFarEnd(t)) }, ms);
      child.kill('SIGTERM');
      counting.leave();
      assert.equal(await service.exit(), '0');
      await counting.over();
      const { finished, closed, cut } = figuresOf(counting.clients);
      assert.match(
        service.stdout + service.stderr,
        new RegExp(`^SIGTERM: drained in \\d+ ms: ${finished} finished, ${closed} closed, ${cut} cut\\b`, 'm'),
        outcomesOf(counting.clients),
      );
      assert.equal(cut > 0, ms > killTimeoutMs);
      assert.deepEqual(
        counting.clients.filter(({ strange }) => strange !== ''),
        [],
      );
    });
  }
});
