import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { startLoad, untilServing } from '../../../testkit/load.ts';
import { nodeOf } from '../../../testkit/nodes.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';
import type { Bus } from '../../../testkit/wire.ts';
import { isFree, startPrepared } from '../door/prepared.ts';

interface Dump {
  ok: boolean;
  pid: number;
  drained: boolean;
  reason?: string;
  message?: string;
}

describe('a heap dump of the only instance with scale=true', () => {
  let pm2: Pm2;
  let port: number;
  before(async () => {
    // Dumps under the running Node are tested elsewhere; this is a newer one, where there is one.
    const newer = nodeOf({ atLeast: 22 });
    pm2 = await startWithModule(newer ? { node: newer.path } : {});
    port = await freePort();
    const forked = { name: 'forked', script: app('http.cjs'), env: { PORT: await freePort() } };
    const web = {
      name: 'web',
      script: app('memory.cjs'),
      exec_mode: 'cluster',
      instances: 1,
      env: { PORT: port, MB: 8 },
    };
    await pm2.startApp([web, forked]);
    await untilAttached(pm2, 'web', 60_000);
    await untilServing({ port });
  });
  after(() => pm2.kill());

  it('adds a sibling for that time: no client loses a request, and one instance is left', async () => {
    const [original] = await pm2.processes('web');
    const load = startLoad({ port, clients: 16, pauseMs: [0, 20], timeoutMs: 60_000 });
    await waitFor(() => load.counts().requests > 50, { what: 'load' });
    const result = await command(pm2, 'heapdump', 'web', '--scale', '--json');
    const [dump] = replies<Dump>(result);
    assert.deepEqual(
      { ok: dump!.ok, pid: dump!.pid, drained: dump!.drained },
      { ok: true, pid: original!.pid, drained: true },
      result.stdout,
    );
    await untilAlone(pm2, { pid: original!.pid });
    const { failures, servedBy } = await load.stop();
    assert.deepEqual(failures, {});
    assert.equal(Object.keys(servedBy).length, 2);
  });

  it('takes the sibling away also when module and process are killed in the middle', async () => {
    const [original] = await pm2.processes('web');
    const module = await pm2.process('pm2-ops');
    const killed = onWriting(pm2, () => {
      process.kill(module.pid, 'SIGKILL');
      process.kill(original!.pid, 'SIGKILL');
    });
    const load = startLoad({ port, clients: 4, pauseMs: [0, 20], timeoutMs: 60_000 });
    await command(pm2, 'heapdump', 'web', '--scale');
    await killed;
    await untilAlone(pm2);
    assert.deepEqual((await load.stop()).failures, {});
  });

  it('does the same in fork mode for an app that its next process can take sockets over from', async () => {
    const port = await startPrepared(pm2, 'alone', { script: app('memory.cjs'), env: { MB: 8 } });
    await untilAttached(pm2, 'alone', 60_000);
    const { pid } = await pm2.process('alone');
    const load = startLoad({ port, clients: 16, pauseMs: [0, 20], timeoutMs: 60_000, keepAlive: false });
    await waitFor(() => load.counts().requests > 50, { what: 'load' });
    const result = await command(pm2, 'heapdump', 'alone', '--scale', '--json');
    const [dump] = replies<Dump>(result);
    assert.deepEqual([dump!.ok, dump!.pid, dump!.drained], [true, pid, true], result.stdout);
    await untilAlone(pm2, { pid, name: 'alone' });
    await untilServing({ port });

    const module = await pm2.process('pm2-ops');
    const killed = onWriting(pm2, () => {
      process.kill(module.pid, 'SIGKILL');
      process.kill(pid, 'SIGKILL');
    });
    await command(pm2, 'heapdump', 'alone', '--scale');
    await killed;
    await untilAlone(pm2, { name: 'alone' });
    const { failures, servedBy } = await load.stop();
    assert.deepEqual(failures, {}, pm2.logs());
    assert.ok(Object.keys(servedBy).length >= 3, 'the app, an extra instance, and the process after the kill');
    await pm2.ok('delete', 'alone');
    assert.equal(await isFree(port), true);
  });

  it('without it, or in fork mode, is taken in place, and the reply says why', async () => {
    const dumps = await Promise.all([
      command(pm2, 'heapdump', 'web', '--json'),
      command(pm2, 'heapdump', 'forked', '--scale', '--json'),
    ]);
    const [alone, forked] = dumps.map((each) => replies<Dump>(each)[0]!);
    assert.equal(alone!.drained, false);
    assert.match(alone!.reason ?? '', /web has one instance \(scale=true adds one/);
    assert.equal(forked!.drained, false);
    assert.match(forked!.reason ?? '', /forked has one instance, which runs in fork mode/);
    assert.equal((await pm2.processes('forked')).length, 1);
  });
});

/** Calls back once a process has said that V8 begins to write. */
function onWriting(pm2: Pm2, then: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let bus: Bus | undefined;
    const listening = pm2.bus((event, data) => {
      const { progress } = (data.data ?? {}) as { progress?: { phase: string } };
      if (event !== 'pm2-ops:agent' || progress?.phase !== 'writing') return;
      then();
      bus?.close();
      resolve();
    });
    listening.then((it) => {
      bus = it;
    }, reject);
  });
}

/** One instance is left, attached: that one, if it is given. */
async function untilAlone(pm2: Pm2, { pid, name = 'web' }: { pid?: number; name?: string } = {}): Promise<void> {
  await waitFor(
    async () => {
      const left = await pm2.processes(name);
      if (left.length === 1 && (pid === undefined || left[0]!.pid === pid)) return true;
      throw new Error(JSON.stringify(left.map((each) => [each.pm_id, each.pid, each.pm2_env.status])));
    },
    { what: `one instance of ${name}`, timeoutMs: 60_000, everyMs: 250, context: () => pm2.logs('pm2-ops') },
  );
  await untilAttached(pm2, name, 60_000);
}
