import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Failure } from '../../contract/errors.ts';
import type { WhyReply } from '../../contract/exits.ts';
import { ROOT } from '../../testkit/folders.ts';
import { startLoad } from '../../testkit/load.ts';
import { packModule } from '../../testkit/package.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import type { Pm2Version } from '../../testkit/pm2Versions.ts';
import { untilAttached } from '../../testkit/status.ts';
import { ensureTemplateBuilt } from '../../testkit/template.ts';
import { freePort } from '../../testkit/wait-for.ts';

for (const version of ['5', '6', '7'] satisfies Pm2Version[]) {
  describe(`under PM2 ${version}`, () => {
    let pm2: Pm2;
    let port: number;

    before(async () => {
      [pm2, port] = await Promise.all([startPm2({ pm2: version }), freePort(), ensureTemplateBuilt()]);
    });

    after(() => pm2?.kill());

    it('ecosystem.config.js starts the template, the module attaches to it, and a reload drops no request', async () => {
      await pm2.okWith({ cwd: ROOT, env: { PORT: String(port) } }, 'start', 'ecosystem.config.js');
      const workers = await pm2.processes('web');
      assert.ok(workers.every(({ pm2_env }) => pm2_env.status === 'online' && pm2_env.exec_mode === 'cluster_mode'));
      await pm2.ok('install', await packModule());
      await untilAttached(pm2, 'web');
      assert.equal((await pm2.process('pm2-ops')).pm2_env.pmx_module, true);

      const load = startLoad({ port, clients: 16, pauseMs: [0, 10] });
      await pm2.ok('reload', 'web');
      const seen = await load.stop();
      assert.deepEqual(seen.failures, {});
      const replaced = await untilAttached(pm2, 'web');
      assert.equal(replaced.length, workers.length);
      assert.ok(replaced.every(({ pid }) => !workers.some((worker) => worker.pid === pid)));
    });

    it('the module answers pm2 trigger pm2-ops why, with a name as with JSON', async () => {
      for (const param of ['web', { target: 'web', last: 3 }]) {
        const reply = await pm2.triggerOne<WhyReply>('pm2-ops', 'why', param);
        assert.deepEqual([reply.ok, reply.target, Array.isArray(reply.exits)], [true, 'web', true]);
      }
      const refused = await pm2.triggerOne<Failure>('pm2-ops', 'why', 'web last=none');
      assert.equal(refused.code, 'E_PARAMS');
    });
  });
}
