import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

describe('the app does not notice the agent', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  it('a script that has done its work ends by itself, attached or not', async () => {
    await pm2.startApp({
      name: 'job',
      script: join(ROOT, 'test/apps/finishes.cjs'),
      autorestart: false,
      env: { MS: 5_000 },
    });
    await waitFor(() => pm2.logs('pm2-ops').includes('attached to job'), { what: 'the job to be attached' });
    const job = await waitFor(
      async () => {
        const now = await pm2.process('job');
        return now.pm2_env.status === 'stopped' && now;
      },
      { what: 'the job to end', timeoutMs: 10_000 },
    );
    assert.equal(job.pm2_env.exit_code, 0);
  });

  it('messages that came before the app listened still reach it, and ours do not pile up there', async () => {
    const port = await freePort();
    const [app] = await pm2.startApp({
      name: 'late',
      script: join(ROOT, 'test/apps/late-listener.cjs'),
      // PM2's own instrumentation listens to messages too, and takes those that come early.
      pmx: false,
      env: { PORT: port },
    });
    await untilAttached(pm2, 'late');
    const send = (text: string) =>
      pm2.call('sendDataToProcessId', { id: app!.pm_id, type: 'process:msg', topic: 'for the app', data: { text } });
    await send('before anybody listened');
    await pm2.triggerOne('late', 'ops-status');
    await fetch(`http://127.0.0.1:${port}/listen`);
    await send('after');
    const got = await waitFor(
      async () => {
        const messages = (await (await fetch(`http://127.0.0.1:${port}/`)).json()) as { data?: { text: string } }[];
        return messages.length >= 2 && messages;
      },
      { what: 'both messages' },
    );
    assert.deepEqual(
      got.map(({ data }) => data?.text),
      ['before anybody listened', 'after'],
    );
  });

  it('nonsense on the bus is swallowed: the app serves on and the agent still answers', async () => {
    const port = await freePort();
    const [app] = await pm2.startApp({
      name: 'web',
      script: join(ROOT, 'test/apps/inside-view.cjs'),
      env: { PORT: port },
    });
    await untilAttached(pm2, 'web');
    const nonsense = [
      null,
      0,
      'drain',
      {},
      { kind: 'verdict' },
      { kind: 'verdict', id: {}, verdict: null },
      { kind: 'welcome', nonce: 'x' },
      { kind: 'run', action: 'toString', nonce: 1 },
      { kind: 'run' },
      { kind: '__proto__' },
      [],
    ];
    for (const data of nonsense) {
      await pm2.call('sendDataToProcessId', {
        id: app!.pm_id,
        cmd: 'NODE_PM2_OPS',
        topic: 'pm2-ops:module',
        data: data ?? 0,
      });
    }
    const status = await pm2.triggerOne<{ ok: boolean; state: string }>('web', 'ops-status');
    assert.equal(status.state, 'serving');
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    assert.equal((await pm2.process('web')).pid, app!.pid);
    assert.equal((await pm2.process('web')).pm2_env.restart_time, 0);
  });

  it('a failure inside an action is a reply, not an exception in the app', async () => {
    const port = await freePort();
    await pm2.startApp({ name: 'hostile', script: join(ROOT, 'test/apps/hostile.cjs'), env: { PORT: port } });
    await untilAttached(pm2, 'hostile');
    const reply = await pm2.triggerOne<{ ok: boolean; code: string; message: string }>('hostile', 'gc');
    assert.equal(reply.code, 'E_INTERNAL');
    assert.match(reply.message, /not today/);
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    assert.equal((await pm2.process('hostile')).pm2_env.restart_time, 0);
  });
});
