import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ProcessStatus, StackReply } from '../../../contract/commandMessages.ts';
import { app, ROOT, tempFolder } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, startLoad } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { run } from '../../../testkit/run.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';
import { compiled, lineOf } from '../../support/sources.ts';

const BLOCKED_MS = 600_000;

describe('a process that does not answer', () => {
  let pm2: Pm2;
  let port: number;
  let busyPort: number;
  before(async () => {
    pm2 = await startWithModule();
    port = await freePort();
    busyPort = await freePort();
    await pm2.startApp([
      { name: 'web', script: app('blocked.cjs'), env: { PORT: port } },
      { name: 'busy', script: app('busy.cjs'), env: { PORT: busyPort } },
      { name: 'frozen', script: app('http.cjs'), env: { PORT: await freePort() } },
    ]);
    for (const name of ['web', 'busy', 'frozen']) await untilAttached(pm2, name);
  });
  after(() => pm2.kill());

  const command = (...args: string[]) =>
    run(process.execPath, [join(ROOT, 'dist/cli.mjs'), ...args], { env: pm2.env, timeoutMs: 40_000 });
  const states = async () => {
    const { stdout } = await command('status', '--json');
    const { processes } = JSON.parse(stdout) as { processes: ProcessStatus[] };
    return Object.fromEntries(processes.map((each) => [each.name, each]));
  };

  it('is marked blocked by status, with the command that says where; a server at its limit is not', async () => {
    // It always has the next request waiting.
    const load = startLoad({ port: busyPort, clients: 6 });
    try {
      await get({ port, path: `/block?ms=${BLOCKED_MS}` });
      const frozen = await pm2.process('frozen');
      process.kill(frozen.pid, 'SIGSTOP');
      const now = await waitFor(
        async () => {
          const now = await states();
          return now.web?.state === 'blocked' && now.frozen?.state === 'blocked' && now;
        },
        { what: 'both are blocked', timeoutMs: 30_000, context: async () => JSON.stringify(await states()) },
      );
      assert.ok(now.web!.blockedMs! >= 2000);
      for (let round = 0; round < 3; round++) assert.equal((await states()).busy?.state, 'serving');
      const { stdout } = await command('status');
      assert.match(stdout, /web .* blocked +no answer for \d+\.\d s; where it is: pm2-ops stack \d+$/m);
      process.kill(frozen.pid, 'SIGCONT');
      await waitFor(async () => (await states()).frozen?.state === 'serving', { what: 'it serves again' });
      assert.equal((await load.stop()).failed, 0);
    } finally {
      await load.stop();
    }
  });

  it('stack says where it is stuck, on a terminal, as JSON and by pm2 trigger', async () => {
    const { pm_id, pid } = await pm2.process('web');
    const { code, stdout } = await command('stack', String(pm_id));
    assert.equal(code, 0);
    assert.match(stdout, /^web \(id \d+, pid \d+\): a hot loop: .* in Timeout\.block \(.*blocked\.cjs:\d+\)$/m);
    assert.match(stdout, /^ {4}Timeout\.block +.*blocked\.cjs:\d+:\d+$/m);
    // At times it stands still for a moment while another thread of V8 works for it.
    assert.match(stdout, /^kernel: (R running|S sleeping)/m);
    const named = JSON.parse((await command('stack', `web:${pm_id}`, '--json')).stdout) as StackReply;
    assert.equal(named.is, 'hot-loop');
    assert.equal(named.pid, pid);
    const triggered = await pm2.triggerOne<StackReply>('pm2-ops', 'stack', `id=${pm_id}`, 40_000);
    assert.equal(triggered.is, 'hot-loop', JSON.stringify(triggered));
    assert.ok(triggered.stacks[0]!.frames.some((frame) => frame.function.endsWith('block')));
    assert.equal((await pm2.process('web')).pid, pid, 'it runs on');
  });

  it('stack names the lines that somebody wrote, where the app has a source map', async () => {
    const source = app('typescript/stuck.ts');
    const folder = tempFolder();
    const { code, map } = await compiled(source);
    writeFileSync(join(folder, 'stuck.js'), `${code}\n//# sourceMappingURL=stuck.js.map\n`);
    writeFileSync(join(folder, 'stuck.js.map'), map);
    const stuckPort = await freePort();
    await pm2.startApp({ name: 'stuck', script: join(folder, 'stuck.js'), env: { PORT: stuckPort } });
    await untilAttached(pm2, 'stuck');
    await get({ port: stuckPort, path: '/block' });
    await waitFor(async () => (await states()).stuck?.state === 'blocked', { what: 'blocked', timeoutMs: 30_000 });
    const { stdout } = await command('stack', 'stuck');
    const loop = `${source}:${lineOf(source, 'for (let at')}`;
    const found = stdout.split('\n').filter((line) => line.includes('sumForEver'));
    assert.ok(found.length >= 2, stdout);
    assert.match(found[0]!, /^stuck \(id \d+, pid \d+\): a hot loop: /);
    assert.ok(found[0]!.endsWith(`in sumForEver (${loop})`), stdout);
    assert.equal(found[1]!.trim().replace(/ +/, ' '), `sumForEver ${loop}`);
    await pm2.ok('delete', 'stuck');
  });

  it('stack of one that is not there, or not told which, says what to type', async () => {
    const none = await command('stack', '99');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /PM2 manages no process "99" \(E_PARAMS\)\nlook with: pm2 ls/);
    const reply = await pm2.triggerOne('pm2-ops', 'stack');
    assert.deepEqual([reply.ok, reply.code], [false, 'E_PARAMS']);
    await pm2.ok('stop', 'frozen');
    const { pm_id } = await pm2.process('frozen');
    assert.match((await command('stack', String(pm_id))).stderr, /frozen \(id \d+\) does not run: PM2 says stopped/);
  });
});
