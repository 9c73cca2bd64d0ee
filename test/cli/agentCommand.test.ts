import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../testkit/command.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { type ProcessStatus, untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface Answer {
  id: number;
  name: string;
  ok: boolean;
  action: string;
  pid: number;
  file: string;
  code: string;
  message: string;
}

describe('an action of a managed process as a command', () => {
  let pm2: Pm2;
  let web: ProcessStatus[];
  before(async () => {
    pm2 = await startWithModule();
    await pm2.startApp([
      {
        name: 'web',
        script: app('inside-view.cjs'),
        exec_mode: 'cluster',
        instances: 2,
        env: { PORT: await freePort() },
      },
      { name: 'big', script: app('memory.cjs'), env: { PORT: await freePort(), MB: 15 } },
    ]);
    web = await untilAttached(pm2, 'web', 60_000);
    await untilAttached(pm2, 'big', 60_000);
  });
  after(() => pm2.kill());

  it('takes an id, name:id or an app, and says what happened and what to do next', async () => {
    const [first, second] = web;
    const dump = await command(pm2, 'heapdump', `web:${first!.id}`);
    assert.equal(dump.code, 0, dump.stderr);
    assert.match(dump.stdout, new RegExp(`^web:${first!.id}  /.*\\.heapsnapshot \\(`));
    assert.match(dump.stdout, /open it: Chrome, DevTools, Memory/);
    const drain = await command(pm2, 'drain', String(second!.id), '--timeout', '3000');
    assert.equal(drain.code, 0, drain.stderr);
    assert.match(drain.stdout, new RegExp(`drained: .*\n  put it back into service: pm2-ops resume ${second!.id}`));
    const resume = await command(pm2, 'resume', 'web', '--json');
    assert.deepEqual(
      replies<Answer>(resume).map(({ id, name, ok, action, pid }) => ({ id, name, ok, action, pid })),
      web.map(({ id, pid }) => ({ id, name: 'web', ok: true, action: 'resume', pid })),
    );
  });

  it('takes parameters as options or as key=value, and refuses what it does not know', async () => {
    const zipped = await command(pm2, 'heapdump', String(web[0]!.id), 'gzip=true', '--json');
    assert.match(replies<Answer>(zipped)[0]!.file, /\.heapsnapshot\.gz$/, zipped.stdout);
    const [nobody, ...wrong] = await Promise.all([
      command(pm2, 'drain', 'wbe'),
      ...[['--gzpi'], ['gzip'], ['gzpi=true', 'gzip=true']].map((args) =>
        command(pm2, 'heapdump', String(web[0]!.id), ...args),
      ),
    ]);
    for (const { code, stdout, stderr } of wrong) assert.equal(code, 2, `${stdout}${stderr}`);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /PM2 manages no process "wbe" \(E_PARAMS\)\nlook with: pm2 ls/);
  });

  it('dumps an app by name once, and every instance with --all', async () => {
    const [one, every] = await Promise.all([
      command(pm2, 'heapdump', 'web', '--json'),
      command(pm2, 'heapdump', 'web', '--all', '--json'),
    ]);
    assert.equal(replies(one).length, 1);
    const all = replies<Answer>(every);
    assert.deepEqual(
      all.map(({ id, ok }) => ({ id, ok })),
      web.map(({ id }) => ({ id, ok: true })),
    );
  });

  it('asked several times at once gives each its own answer, and shows how far it is', async () => {
    const [{ pid }] = (await untilAttached(pm2, 'big', 60_000)) as [ProcessStatus];
    const [one, two, three] = await Promise.all([
      command(pm2, 'heapdump', 'big', '--json'),
      command(pm2, 'heapdump', 'big'),
      command(pm2, 'ops-status', 'web', '--json'),
    ]);
    const [first] = replies<Answer>(one);
    assert.deepEqual({ ok: first!.ok, pid: first!.pid }, { ok: true, pid });
    assert.equal(two.code, 0, two.stderr);
    const file = /^big:\d+ {2}(\/\S+) /.exec(two.stdout)?.[1];
    assert.notEqual(file, first!.file);
    assert.ok(statSync(file!).size > 5 * 2 ** 20);
    assert.match(two.stderr, /s {2}big:\d+ writing/);
    const [status] = replies<Answer>(three);
    assert.deepEqual({ ok: status!.ok, action: status!.action }, { ok: true, action: 'ops-status' });
  });

  it('of a process that is killed in the middle says so, and nothing half written stays', async () => {
    const [{ pid, id }] = (await untilAttached(pm2, 'big', 60_000)) as [ProcessStatus];
    const bus = await pm2.bus((event, data) => {
      const message = data.data as { kind?: string; progress?: { phase: string } };
      if (event === 'pm2-ops:agent' && message.progress?.phase === 'writing') process.kill(pid, 'SIGKILL');
    });
    const dump = await command(pm2, 'heapdump', String(id));
    bus.close();
    assert.equal(dump.code, 1, dump.stdout);
    assert.match(
      dump.stderr,
      new RegExp(`pid ${pid} of big .* ended in the middle of heapdump \\(writing.*PM2 has it as pid \\d+ now`),
    );
    assert.match(dump.stderr, /dmesg/);
    const left = readdirSync(join(pm2.home, 'pm2-ops/dumps')).filter((name) => name.endsWith('.partial'));
    assert.deepEqual(left, []);
    await untilAttached(pm2, 'big', 60_000);
  });
});
