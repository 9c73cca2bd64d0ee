import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { startPm2 } from '../../testkit/pm2.ts';
import type { Pm2Version } from '../../testkit/pm2Versions.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface App {
  instances: number;
  max_memory_restart: number;
  kill_timeout: number;
  listen_timeout: number;
}

const FILE = join(TEMPLATE, 'ecosystem.config.cjs');
const [app] = (createRequire(FILE)(FILE) as { apps: [App] }).apps;

describe('ecosystem.config.cjs of app-template', { concurrency: true }, () => {
  before(() => ensureTemplateBuilt());

  for (const version of ['5', '6', '7'] satisfies Pm2Version[])
    it(`is what PM2 ${version} runs: every option reaches it, one worker per CPU, each online when it said ready`, async () => {
      const pm2 = await startPm2({ pm2: version });
      try {
        await pm2.okWith({ cwd: TEMPLATE, env: { PORT: String(await freePort()) } }, 'start', 'ecosystem.config.cjs');
        const workers = await pm2.online('app-template', app.instances);
        for (const { pm2_env } of workers) {
          assert.equal(pm2_env.exec_mode, 'cluster_mode');
          assert.equal(pm2_env.wait_ready, true);
          for (const option of ['kill_timeout', 'listen_timeout', 'max_memory_restart', 'exp_backoff_restart_delay'])
            assert.equal(pm2_env[option], app[option as keyof App], option);
          assert.equal(pm2_env.restart_time, 0);
        }
      } finally {
        await pm2.kill();
      }
    });

  it('gives each worker and one more its part of the memory, and more than a healthy worker needs', () => {
    assert.ok(app.instances <= availableParallelism());
    assert.ok(app.max_memory_restart >= 150 * 2 ** 20);
    assert.ok(Number.isInteger(app.max_memory_restart));
  });

  it('waits for a worker longer than its start may take, and for its end longer than idle connections live', () => {
    assert.ok(app.listen_timeout > 30_000);
    assert.ok(app.kill_timeout > 5_000 + 1_000);
  });
});
