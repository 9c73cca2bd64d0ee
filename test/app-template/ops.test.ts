import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { get } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const OPS_TOKEN = 'a-token-for-the-tests-0123456789';

describe('app-template under PM2', () => {
  let pm2: Pm2;
  let port: number;
  let opsPort: number;

  before(async () => {
    [pm2, port, opsPort] = await Promise.all([startPm2(), freePort(), freePort(), ensureTemplateBuilt()]);
    await pm2.startApp({
      name: 'web',
      script: join(TEMPLATE, 'dist', 'server.js'),
      exec_mode: 'cluster',
      instances: 2,
      wait_ready: true,
      listen_timeout: 35_000,
      kill_timeout: 3_000,
      env: { PORT: port, OPS_TOKEN, OPS_PORT: opsPort },
    });
  });
  after(() => pm2?.kill());

  const status = async (instance: number) => {
    const headers = { authorization: `Bearer ${OPS_TOKEN}` };
    const { body } = await get({ port: opsPort + instance, path: '/ops/status', headers });
    return JSON.parse(body) as { pid: number; instance: number; state: string };
  };
  const untilEachAnswersForItself = () =>
    waitFor(
      async () => {
        const pids = (await pm2.processes('web')).map(({ pid }) => pid);
        const answers = await Promise.all([0, 1].map(status));
        return answers.every(({ pid, instance }, at) => instance === at && pids.includes(pid)) && answers;
      },
      { what: 'each worker to answer on its own port', timeoutMs: 30_000, context: () => pm2.logs('web') },
    );

  it('has a maintenance port for each worker, which its successor takes over in a reload', async () => {
    const old = (await untilEachAnswersForItself()).map(({ pid }) => pid);
    assert.notEqual(old[0], old[1]);
    await pm2.ok('reload', 'web');
    const now = (await untilEachAnswersForItself()).map(({ pid }) => pid);
    assert.equal(new Set([...old, ...now]).size, 4);
  });

  it("writes each line of its log as JSON into PM2's file, metrics and the last line included", async () => {
    await get({ port });
    await waitFor(async () => 'requests per second' in (await pm2.processes('web'))[0]!.pm2_env.axm_monitor, {
      what: 'the metrics',
    });
    const lines = pm2
      .logs('web')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('--- '))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.ok(
      lines.every(({ app, instance, level, timestamp }) => app === 'web' && level && timestamp && Number(instance) < 2),
    );
    assert.equal(lines.filter(({ message }) => /^SIGINT: drained in .* 0 cut$/.test(String(message))).length, 2);
  });

  it('changes its log level while it runs', async () => {
    const replies = await pm2.trigger('web', 'log-level', 'debug');
    assert.deepEqual(
      replies.map(({ value }) => value),
      [
        { ok: true, level: 'debug' },
        { ok: true, level: 'debug' },
      ],
    );
    await get({ port, path: '/health/live' });
    await waitFor(() => /"level":"debug".*"path":"\/health\/live"/.test(pm2.logs('web')), { what: 'a debug line' });
  });
});
