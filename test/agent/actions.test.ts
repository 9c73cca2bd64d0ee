import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface Reply {
  ok: boolean;
  action: string;
  pid: number;
  ms: number;
  code: string;
  message: string;
  hint: string;
  state: string;
  [field: string]: unknown;
}

describe('actions of a managed process', () => {
  let pm2: Pm2;
  let port: number;
  before(async () => {
    pm2 = await startWithModule({ env: { DATABASE_PASSWORD: 'hunter2-and-more' } });
    port = await freePort();
    await pm2.startApp([
      { name: 'web', script: join(ROOT, 'test/apps/inside-view.cjs'), env: { PORT: port } },
      { name: 'job', script: join(ROOT, 'test/apps/finishes.cjs'), env: { MS: 3_600_000 } },
    ]);
    await untilAttached(pm2, 'web');
    await untilAttached(pm2, 'job');
  });
  after(() => pm2.kill());

  it('are listed by PM2 under their names of the contract', async () => {
    const { pm2_env, pid } = await pm2.process('web');
    const names = pm2_env.axm_actions
      .map(({ action_name }) => action_name)
      // PM2's own, which it adds to what it likes.
      .filter((name) => !name.startsWith('km:'));
    assert.deepEqual(names.sort(), [
      'cpu-profile',
      'disable-keepalive',
      'drain',
      'enable-keepalive',
      'gc',
      'heap-profile',
      'heapdump',
      'leak-report',
      'ops-status',
      'report',
      'resume',
    ]);
    const reply = await pm2.triggerOne<Reply>('web', 'gc');
    assert.deepEqual(Object.keys(reply).slice(0, 4), ['ok', 'action', 'pid', 'ms']);
    assert.equal(reply.pid, pid);
  });

  it('ops-status says what the process does', async () => {
    const reply = await pm2.triggerOne<Reply>('web', 'ops-status');
    assert.equal(reply.state, 'serving');
    assert.equal(reply.inFlight, 0);
    const [server] = reply.servers as { address: string; kind: string; listening: boolean }[];
    assert.equal(server?.kind, 'http');
    assert.match(server?.address ?? '', new RegExp(`:${port}$`));
    assert.equal(typeof reply.uptime, 'number');
  });

  it('gc frees what nobody holds, with the memory before and after', async () => {
    const { before, after } = await pm2.triggerOne<Record<'before' | 'after', { heapUsed: number; rss: number }>>(
      'web',
      'gc',
    );
    assert.ok(after.heapUsed <= before.heapUsed);
    assert.ok(after.rss > 0);
  });

  for (const [action, param, message] of [
    ['drain', 'timeuot=5', /no parameter "timeuot"/],
    ['drain', '{"timeout":"soon"}', /whole number of milliseconds/],
    ['cpu-profile', 'seconds=0', /whole number of seconds from 1 to 600/],
    ['resume', 'now', /JSON or key=value/],
    ['disable-keepalive', 'x=1', /disable-keepalive has no parameter "x"/],
  ] as const) {
    it(`${action} ${param} is E_PARAMS and changes nothing`, async () => {
      const reply = await pm2.triggerOne<Reply>('web', action, param);
      assert.deepEqual(Object.keys(reply).sort(), ['action', 'code', 'hint', 'message', 'ok']);
      assert.equal(reply.ok, false);
      assert.equal(reply.code, 'E_PARAMS');
      assert.match(reply.message, message);
      assert.equal((await pm2.triggerOne<Reply>('web', 'ops-status')).state, 'serving');
    });
  }

  for (const action of ['drain', 'resume', 'disable-keepalive', 'enable-keepalive']) {
    it(`${action} in a process without a server is E_NO_SERVER`, async () => {
      const reply = await pm2.triggerOne<Reply>('job', action);
      assert.equal(reply.code, 'E_NO_SERVER', JSON.stringify(reply));
    });
  }

  it('drain leaves the last instance alone, unless forced; a second drain and resume are no surprise', async () => {
    const refused = await pm2.triggerOne<Reply>('web', 'drain');
    assert.equal(refused.code, 'E_LAST');
    assert.match(refused.hint, /pm2 scale web \+1.*force=true/);
    const drained = await pm2.triggerOne<Reply>('web', 'drain', 'force=true');
    assert.deepEqual(
      { ok: drained.ok, state: drained.state, cut: drained.cut },
      { ok: true, state: 'drained', cut: 0 },
      JSON.stringify(drained),
    );
    assert.equal(typeof drained.finished, 'number');
    assert.equal(typeof drained.closed, 'number');
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
    assert.equal((await pm2.triggerOne<Reply>('web', 'drain', 'force=true')).state, 'drained');
    const resumed = await pm2.triggerOne<Reply>('web', 'resume');
    assert.equal(resumed.state, 'serving');
    assert.match((resumed.addresses as string[])[0] ?? '', new RegExp(`:${port}$`));
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    assert.equal((await pm2.triggerOne<Reply>('web', 'resume')).state, 'serving');
  });

  it('disable-keepalive ends every connection with its next response; enable-keepalive undoes it', async () => {
    const disabled = await pm2.triggerOne<Reply>('web', 'disable-keepalive');
    assert.equal(disabled.keepAlive, false);
    assert.equal(typeof disabled.connections, 'number');
    assert.equal((await fetch(`http://127.0.0.1:${port}/`)).headers.get('connection'), 'close');
    const enabled = await pm2.triggerOne<Reply>('web', 'enable-keepalive');
    assert.equal(enabled.keepAlive, true);
    assert.notEqual((await fetch(`http://127.0.0.1:${port}/`)).headers.get('connection'), 'close');
  });

  it('are back after a restart, a reload and a scale, without anybody asking', async () => {
    await pm2.ok('restart', 'web');
    await untilAttached(pm2, 'web');
    await pm2.ok('delete', 'web');
    await pm2.startApp({
      name: 'web',
      script: join(ROOT, 'test/apps/inside-view.cjs'),
      exec_mode: 'cluster',
      instances: 1,
      env: { PORT: port },
    });
    await untilAttached(pm2, 'web');
    await pm2.ok('scale', 'web', '3');
    assert.equal((await untilAttached(pm2, 'web')).length, 3);
    await pm2.ok('reload', 'web');
    await untilAttached(pm2, 'web');
    const replies = await pm2.trigger<Reply>('web', 'ops-status');
    assert.deepEqual(
      replies.map(({ value }) => value.state),
      ['serving', 'serving', 'serving'],
    );
  });
});
