import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

interface Inside {
  pid: number;
  subscribed: string[];
  messageListeners: number;
  timers: number;
  globals: string[];
}

describe('the agent lives on a lease', () => {
  let pm2: Pm2;
  const ports: Record<string, number> = {};
  const untouched: Record<string, Inside> = {};

  before(async () => {
    pm2 = await startWithModule({ env: { PM2_OPS_LEASE_MS: '3000' } });
    await pm2.ok('stop', 'pm2-ops');
    for (const mode of ['fork', 'cluster'] as const) {
      ports[mode] = await freePort();
      await pm2.startApp({
        name: mode,
        script: join(ROOT, 'test/apps/inside-view.cjs'),
        exec_mode: mode,
        env: { PORT: ports[mode] },
      });
      const port = ports[mode];
      untouched[mode] = await waitFor(() => inside(port), { what: `${mode} to listen` });
    }
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'fork');
    await untilAttached(pm2, 'cluster');
  });
  after(() => pm2.kill());

  it('a restart of the module within the lease is seamless: the same agents, no second inspector window', async () => {
    const logsBefore = pm2.logs('fork');
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'fork');
    const { ok } = await pm2.triggerOne<{ ok: boolean }>('fork', 'ops-status');
    assert.equal(ok, true);
    assert.equal(pm2.logs('fork'), logsBefore, 'Node writes to the error log whenever an inspector opens');
  });

  it('an instance that was drained serves again, and nothing stays but the stub that answers', async () => {
    for (const mode of ['fork', 'cluster']) {
      const drained = await pm2.triggerOne<{ state: string }>(mode, 'drain', 'force=true');
      assert.equal(drained.state, 'drained');
      await assert.rejects(inside(ports[mode]!), 'a drained app does not listen');
    }
    await pm2.ok('stop', 'pm2-ops');
    for (const mode of ['fork', 'cluster']) {
      await waitFor(() => inside(ports[mode]!), { what: `${mode} serves again`, timeoutMs: 6_000 });
      const rest = await waitFor(
        async () => {
          const now = await inside(ports[mode]!);
          return now.subscribed.length === 0 && now;
        },
        { what: 'no subscriber of ours' },
      );
      // The request that asks has no timer of its own; ours are gone.
      assert.deepEqual({ ...rest, messageListeners: rest.messageListeners - 1 }, untouched[mode]);
    }
    const reply = await pm2.triggerOne<{ ok: boolean; code: string; hint: string }>('fork', 'drain');
    assert.equal(reply.ok, false);
    assert.equal(reply.code, 'E_STATE');
    assert.match(reply.hint, /pm2 install pm2-ops/);
  });

  it('a module that comes back later attaches again', async () => {
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'fork');
    const { state } = await pm2.triggerOne<{ state: string }>('fork', 'ops-status');
    assert.equal(state, 'serving');
  });

  it('detach takes it out at once, and attach brings it back', async () => {
    const detached = await pm2.triggerOne<{ ok: boolean }>('pm2-ops', 'detach', 'app=fork');
    assert.equal(detached.ok, true);
    await waitFor(async () => (await pm2.triggerOne<{ code?: string }>('fork', 'gc')).code === 'E_STATE', {
      what: 'the stub',
    });
    const { processes } = await pm2.triggerOne<{ processes: { name: string; reason: string }[] }>('pm2-ops', 'status');
    assert.match(processes.find(({ name }) => name === 'fork')!.reason, /detached by hand/);
    await pm2.triggerOne('pm2-ops', 'attach', 'app=fork');
    await untilAttached(pm2, 'fork');
  });
});

async function inside(port: number): Promise<Inside> {
  const response = await fetch(`http://127.0.0.1:${port}/inside`, { headers: { connection: 'close' } });
  return (await response.json()) as Inside;
}
