// The test of a version of PM2: every way in which a process ends is told as what it was.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2, Pm2Options } from '../../testkit/pm2.ts';
import { exitsOf, provokeAll, recordedBytes, SECRET, tell } from './exitMatrix.ts';
import { memoryGroup } from './limits.ts';

export function recordsEveryExit(version: NonNullable<Pm2Options['pm2']>): void {
  describe(`exits under PM2 ${version}`, () => {
    let pm2: Pm2;
    before(async () => {
      // PM2 looks at memory every 30 seconds otherwise.
      pm2 = await startWithModule({ pm2: version, env: { PM2_WORKER_INTERVAL: '2000' } });
    });
    const group = memoryGroup(`exits-${version}-${process.pid}`, 120 * 2 ** 20);
    after(async () => {
      await pm2.kill();
      group?.remove();
    });

    it('are told by their true causes, in cluster and in fork mode', async (t) => {
      const { rows, failed } = await provokeAll(pm2, ['fork', 'cluster'], group?.join);
      if (!group) t.diagnostic('no kernel out of memory: this machine lets nobody make a memory cgroup');
      tell(t, pm2, rows);
      assert.deepEqual(failed, []);
      const wrong = rows.filter(({ problem }) => problem !== undefined);
      assert.equal(wrong.map(({ mode, provoked, problem }) => `${mode}, ${provoked}: ${problem}`).join('\n\n'), '');
    });

    it('are recorded once each', () => {
      const lives = exitsOf(pm2).map(({ name, pmId, startedAt }) => `${name} ${pmId} ${startedAt}`);
      assert.deepEqual(lives, [...new Set(lives)]);
    });

    it('are recorded without the secrets of the app', () => {
      const bytes = recordedBytes(pm2);
      assert.match(bytes, /no route to postgres/);
      assert.ok(!bytes.includes(SECRET));
    });
  });
}
