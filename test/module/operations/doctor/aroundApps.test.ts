import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { app, releaseFolder, tempFolder } from '../../../../testkit/folders.ts';
import { startWithModule } from '../../../../testkit/installed.ts';
import { type Load, startLoad, untilServing } from '../../../../testkit/load.ts';
import type { Pm2 } from '../../../../testkit/pm2.ts';
import type { Pm2Process } from '../../../../testkit/pm2Versions.ts';
import { moduleStatus, untilAttached, untilSkipped } from '../../../../testkit/status.ts';
import { freePort, waitFor } from '../../../../testkit/wait-for.ts';
import { type Advice, takeAdvice } from '../../../support/advice.ts';
import { cannotMount, mountSmall } from '../../../support/limits.ts';
import { createEcosystem, type Ecosystem } from './ecosystem.ts';

describe('what pm2-ops doctor says of what is around the processes: threads, children, the host, settings', () => {
  let pm2: Pm2;
  let advice: Advice;
  let apps: Ecosystem;
  before(async () => {
    pm2 = await startWithModule();
    advice = takeAdvice(pm2);
    apps = createEcosystem(pm2);
    const cluster = { exec_mode: 'cluster', instances: 2, kill_timeout: 8000 };
    await apps.start(
      { name: 'web', script: app('http.cjs'), ...cluster },
      { name: 'kids', script: app('advice/children.cjs'), ...cluster },
      { name: 'thread', script: app('advice/worker-thread.cjs') },
      // Half of the name "web one", which the setting `exclude` could mean.
      { name: 'one', script: app('http.cjs') },
    );
    for (const name of ['web', 'kids', 'thread', 'one']) await untilAttached(pm2, name);
  });
  after(() => pm2.kill());

  it('a server in a worker thread is said to be one, by status and by what cannot be done', async () => {
    await apps.answers('thread');
    const where = `127.0.0.1:${apps.port('thread')}`;
    const drain = await advice.paste('pm2-ops drain thread');
    assert.equal(drain.code, 1);
    assert.match(drain.stderr, new RegExp(`its server on ${where} is in a worker thread .*\\(E_NO_SERVER\\)`));
    const dump = await advice.paste('pm2-ops heapdump thread');
    assert.match(dump.stdout, new RegExp(`not drained: its server on ${where} is in a worker thread`));
    assert.match(
      (await advice.paste('pm2-ops status')).stdout,
      new RegExp(`thread .* listens on ${where} in a worker`),
    );
  });

  it('children: nothing is lost by pm2-ops reload, nor by pm2 reload once its line was followed', async () => {
    const both = /has 2 child processes \(kids-children\.cjs, pid \d+; kids-children\.cjs, pid \d+\)/;
    const finding = await waitFor(
      async () => {
        const found = await advice.finding('children', 'kids');
        return both.test(found.what) && found;
      },
      { what: 'the children of both instances to be found' },
    );
    const clients = () => startLoad({ port: apps.port('kids'), host: '127.0.0.1', clients: 16, pauseMs: 5 });
    let load: Load = clients();
    try {
      const own = /this reload loses nothing: (.*)$/m.exec(finding.fix)?.[1] ?? '';
      const { code, stderr } = await advice.paste(own);
      assert.equal(code, 0, `${own}: ${stderr}`);
      const drained = load.phase();
      assert.deepEqual([drained.failures, drained.requests > 0], [{}, true]);
      await load.stop();
      await untilAttached(pm2, 'kids');
      await advice.follow(await advice.finding('children', 'kids'));
      await untilAttached(pm2, 'kids');
      await advice.gone('children', 'kids');
      load = clients();
      await waitFor(() => load.counts().requests > 50, { what: 'clients' });
      assert.equal((await advice.paste('pm2 reload kids')).code, 0);
      assert.deepEqual(load.phase().failures, {});
    } finally {
      await load.stop();
    }
  });

  it('inspector-port: whoever has it is named, and gone when it has ended', async () => {
    // Until then the module needs the port itself.
    await untilAttached(pm2, 'kids');
    const holder = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(9229, '127.0.0.1', () => console.log('up'))`,
    ]);
    try {
      await new Promise((resolve, reject) => {
        holder.stdout.once('data', resolve);
        holder.once('exit', () => reject(new Error('another process listens on port 9229')));
      });
      const { commands, what } = await advice.finding('inspector-port');
      assert.match(what, new RegExp(`^node \\(pid ${holder.pid}\\) listens on port 9229`));
      assert.match((await advice.paste(commands[0]!)).stdout, /createServer/);
    } finally {
      holder.kill('SIGKILL');
    }
    await advice.gone('inspector-port');
  });

  it('disk: old dumps are deleted as it says, and there is room again', async (context: TestContext) => {
    const reason = cannotMount();
    if (reason) return context.skip(reason);
    const dumps = join(pm2.home, 'pm2-ops/dumps');
    const unmount = mountSmall(dumps, 'size=600m');
    try {
      const file = join(dumps, 'web-0-1-20200101T000000000Z.heapsnapshot');
      writeFileSync(file, Buffer.alloc(200 * 2 ** 20));
      const finding = await advice.finding('disk');
      assert.match(finding.what, /has 400 MB free; 512 MB are advisable/);
      await advice.follow(finding);
      await advice.gone('disk');
    } finally {
      unmount();
    }
  });

  it('unlisted: a process that PM2 has forgotten is named, ended by its line, and the app serves', async () => {
    // As an overlapping reload of older versions of PM2 does, another process takes its place in PM2's list.
    const [{ pid, pm_id, pm2_env }] = (await pm2.processes('web')) as [Pm2Process, Pm2Process];
    await pm2.call('prepare', { ...pm2_env, pm_id, instances: 1 });
    const finding = await advice.finding('unlisted', 'web');
    assert.deepEqual(finding.commands, [`kill ${pid}`]);
    await advice.follow(finding);
    await advice.gone('unlisted', 'web');
    await apps.answers('web');
  });

  it('settings: what was refused, and names that are nobody, are put right by their lines', async () => {
    await pm2.ok('set', 'pm2-ops:port', 'http');
    await pm2.ok('set', 'pm2-ops:exclude', 'web one, wbe');
    await untilSkipped(pm2, 'web', /excluded/);
    const refused = await advice.finding('settings');
    assert.match(refused.what, /pm2-ops:port refused: "http" is not a port/);
    const { findings } = await advice.examine();
    const names = findings.filter(({ check }) => check === 'setting-names');
    assert.deepEqual(
      names.map(({ what, commands }) => [/"(.*)"/.exec(what)?.[1], commands[0]]),
      [
        ['web one', 'pm2 set pm2-ops:exclude wbe,web,one'],
        ['wbe', "pm2 set pm2-ops:exclude 'web one'"],
      ],
    );
    await advice.follow(refused);
    await advice.follow(names[0]!);
    await advice.follow(await advice.finding('setting-names'));
    await advice.gone('settings');
    await advice.gone('setting-names');
    assert.deepEqual((await moduleStatus(pm2)).settings.exclude, ['web', 'one']);
    await advice.follow(await advice.finding('attached', 'web'));
    await untilAttached(pm2, 'web');
    await advice.gone('attached', 'web');
  });
});

describe('pm2-ops doctor on a Node without symbols', { skip: withoutStrip() }, () => {
  it('kernel: an app that loads the agent itself, as it says, is attached without a signal', async () => {
    const folder = tempFolder();
    const node = join(folder, 'node');
    execFileSync('strip', ['-o', node, process.execPath]);
    const pm2 = await startWithModule({ node });
    try {
      const advice = takeAdvice(pm2);
      const port = await freePort();
      await pm2.startApp({ name: 'my app', script: app('http.cjs'), kill_timeout: 8000, env: { PORT: port } });
      const finding = await advice.finding('kernel', 'my app');
      assert.match(
        finding.what,
        /stripped of its symbols: pm2-ops cannot see whether an app has its own SIGUSR1 handler/,
      );
      await advice.follow(finding);
      await advice.gone('kernel');
      await untilAttached(pm2, 'my app');
      await untilServing({ port });
    } finally {
      await pm2.kill();
      releaseFolder(folder);
    }
  });
});

function withoutStrip(): string | false {
  return spawnSync('strip', ['--version']).status === 0 ? false : 'strip is not installed';
}
