import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { tempFolder } from '../../../../testkit/folders.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import { get, startLoad, untilServing } from '../../../../testkit/load.ts';
import { nodes } from '../../../../testkit/nodes.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import { untilAttached } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';
import { type Reloaded, service } from './service.ts';

/** One of the two runs on the newest Node that there is here, whose sockets behave differently from those of 20. */
const DAEMONS = [
  { pm2: '5', node: process.execPath },
  { pm2: '6', node: nodes().at(-1)?.path ?? process.execPath },
] as const;

for (const daemon of DAEMONS) {
  describe(`pm2-ops reload with PM2 ${daemon.pm2}`, () => {
    let pm2: Pm2;
    before(async () => {
      pm2 = await startWithModule(daemon);
    });
    after(() => pm2.kill());

    it('holds a bad deploy back and lets a good one through, without losing a request', async () => {
      const file = join(tempFolder(), 'service.cjs');
      writeFileSync(file, service({ version: 1 }));
      const port = await freePort();
      await pm2.startApp({ name: 'web', script: file, exec_mode: 'cluster', instances: 2, env: { PORT: port } });
      await untilServing({ port });
      await untilAttached(pm2, 'web');
      const load = startLoad({ port, clients: 16, pauseMs: 10 });
      try {
        writeFileSync(file, service({ version: 2, first: "throw new Error('no database configured');" }));
        const bad = await pm2.triggerOne<Reloaded>('pm2-ops', 'reload', 'app=web');
        assert.equal(bad.code, 'E_STATE', JSON.stringify(bad));
        assert.match(bad.logs?.join() ?? '', /no database configured/);
        writeFileSync(file, service({ version: 3 }));
        const good = await pm2.triggerOne<Reloaded>('pm2-ops', 'reload', 'app=web settle=500');
        assert.equal(good.ok, true, JSON.stringify(good));
        assert.match((await get({ port })).body, /version 3 /);
        assert.deepEqual(
          (await pm2.processes('web')).map(({ pm_id, pid }) => ({ id: pm_id, to: pid })),
          good.replaced?.map(({ id, to }) => ({ id, to })),
        );
      } finally {
        assert.deepEqual((await load.stop()).failures, {});
      }
    });

    it('the same in fork mode, and a restart by PM2 after it refuses nobody', async () => {
      const file = join(tempFolder(), 'service.cjs');
      writeFileSync(file, service({ version: 1 }));
      const port = await freePort();
      await pm2.startApp({ name: 'alone', script: file, exec_mode: 'fork', env: { PORT: port } });
      await untilServing({ port });
      await untilAttached(pm2, 'alone');
      const load = startLoad({ port, clients: 8, pauseMs: 10, keepAlive: false });
      try {
        writeFileSync(file, service({ version: 2, first: "throw new Error('no database configured');" }));
        const bad = await pm2.triggerOne<Reloaded>('pm2-ops', 'reload', 'app=alone');
        assert.equal(bad.code, 'E_STATE', JSON.stringify(bad));
        assert.match((await get({ port })).body, /version 1 /);
        writeFileSync(file, service({ version: 3 }));
        const good = await pm2.triggerOne<Reloaded>('pm2-ops', 'reload', 'app=alone settle=500');
        assert.equal(good.ok, true, JSON.stringify(good));
        assert.match((await get({ port })).body, /version 3 /);
        await untilAttached(pm2, 'alone');
        writeFileSync(file, service({ version: 4 }));
        await pm2.ok('restart', 'alone');
        await waitFor(async () => /version 4 /.test((await get({ port })).body), { what: 'the restarted process' });
      } finally {
        assert.deepEqual((await load.stop()).failures, {});
      }
    });
  });
}
