import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DoctorReply } from '../../contract/commandMessages.ts';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { get, getUnderWay, startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { pm2Folder } from '../../testkit/pm2Versions.ts';
import { moduleStatus, untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor, within } from '../../testkit/wait-for.ts';
import { askStoppedPrimary } from '../support/stoppedPrimary.ts';

interface Row {
  name: string;
  graceful?: string;
  lastExit?: { cut: number; cutRequests: string[]; suggestedKillTimeoutMs?: number; on: string };
}

/** A request that the app has; its answer is the status, or `cut`. */
async function statusUnderWay(port: number, path: string): Promise<{ answer: Promise<number | 'cut'> }> {
  const { answer } = await getUnderWay({ port, path });
  return {
    answer: answer.then(
      ({ status }) => status,
      () => 'cut' as const,
    ),
  };
}

const refuses = (port: number) =>
  get({ port }).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ECONNREFUSED',
  );

describe('a process that PM2 ends', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
  });
  after(() => pm2.kill());

  async function start(name: string, script: string, options: object = {}): Promise<{ port: number; pid: number }> {
    const port = await freePort();
    const [first] = await pm2.startApp({ name, script: app(script), env: { PORT: port }, ...options });
    await untilServing({ port });
    await untilAttached(pm2, name);
    return { port, pid: first!.pid };
  }

  const graceful = async (name: string) =>
    ((await moduleStatus(pm2)).processes as Row[]).find((row) => row.name === name)!;
  /** PM2 writes the last line of a process when it comes to it, which may be after it has told of its end. */
  const said = (name: string, what: RegExp) =>
    waitFor(() => what.test(pm2.logs(name)), { what: String(what), context: () => pm2.logs(name) });
  const gone = (pid: number, timeoutMs = 5_000) =>
    waitFor(() => !isAlive(pid), { what: `${pid} to be gone`, timeoutMs, everyMs: 5 });

  for (const [killTimeout, requestMs, fits] of [
    [1_600, 5_000, false],
    [3_000, 1_200, true],
    [8_000, 2_500, true],
  ] as const) {
    it(`kill_timeout ${killTimeout} and a request of ${requestMs} ms: it leaves by itself, in time, and says how`, async () => {
      const name = `timeout-${killTimeout}`;
      const { port, pid } = await start(name, 'http.cjs', { exec_mode: 'cluster', kill_timeout: killTimeout });
      const request = await statusUnderWay(port, `/slow?ms=${requestMs}&token=secret&received`);
      const stopping = pm2.call('stopProcessId', { id: (await pm2.process(name)).pm_id });
      let answeredAt = 0;
      const status = await request.answer.finally(() => {
        answeredAt = performance.now();
      });
      await gone(pid, killTimeout * 2);
      const goneAt = performance.now();
      await stopping;
      assert.match(
        pm2.daemonLog(),
        new RegExp(`App \\[${name}:\\d+\\] exited with code \\[0\\] via signal \\[SIGINT\\]`),
      );
      const line = /pm2-ops: SIGINT: drained in (\d+) ms: .*/.exec(pm2.logs(name));
      assert.ok(line, pm2.logs(name));
      if (fits) {
        assert.equal(status, 200);
        assert.match(line[0], /: 1 finished, 0 closed, 0 cut$/);
        const leftMs = killTimeout - requestMs;
        assert.ok(goneAt - answeredAt < leftMs / 2, `it stayed for ${goneAt - answeredAt} ms after the last response`);
      } else {
        assert.equal(status, 503);
        assert.match(line[0], /1 cut \(GET \/slow\); they did not fit into kill_timeout 1600, try kill_timeout 4000$/);
        const { lastExit } = await graceful(name);
        assert.deepEqual(lastExit?.cutRequests, ['GET /slow']);
        assert.equal(lastExit?.suggestedKillTimeoutMs, 4_000);
      }
      assert.doesNotMatch(pm2.logs(name), /secret/);
      await pm2.ok('delete', name);
    });
  }

  it('does not wait longer than its budget for clients that say nothing or stop in the middle', async () => {
    const { port, pid } = await start('stalled', 'http.cjs', { exec_mode: 'cluster', instances: 1 });
    const sockets = await Promise.all(
      ['', 'GET / HTT', 'POST / HTTP/1.1\r\nhost: app\r\ncontent-length: 1000\r\n\r\nhalf'].map(async (text) => {
        const socket = net.connect(port, '127.0.0.1').on('error', () => {});
        await new Promise((resolve) => socket.once('connect', resolve));
        socket.write(text);
        return socket;
      }),
    );
    // Connections come in their order: once this one is answered, the others are there.
    await get({ port });
    await pm2.ok('reload', 'stalled');
    await gone(pid);
    assert.match(pm2.logs('stalled'), /pm2-ops: SIGINT: drained in/);
    assert.doesNotMatch(pm2.daemonLog(), new RegExp(`pid ${pid} still alive`));
    for (const socket of sockets) socket.destroy();
    await pm2.ok('delete', 'stalled');
  });

  // No new requests: where no instance is left, PM2's daemon resets the connections that it has accepted for them.
  for (const verb of ['stop', 'restart', 'delete']) {
    it(`by pm2 ${verb}: every request on its way is answered`, async () => {
      const { port } = await start(verb, 'http.cjs', { exec_mode: 'cluster', instances: 2 });
      const underWay = Array.from({ length: 32 }, () => statusUnderWay(port, '/?ms=900&received'));
      const requests = await Promise.all(underWay);
      const pids = (await pm2.processes(verb)).map(({ pid }) => pid);
      await pm2.ok(verb, verb);
      assert.deepEqual([...new Set(await Promise.all(requests.map(({ answer }) => answer)))], [200]);
      assert.equal(pids.filter(isAlive).length, 0);
      assert.match(pm2.logs(verb), / 0 cut$/m);
      assert.doesNotMatch(pm2.logs(verb), / [1-9]\d* cut/);
      await pm2.run('delete', verb);
    });
  }

  it('by pm2 scale: nothing is lost, others serve on', async () => {
    const { port } = await start('scale', 'http.cjs', { exec_mode: 'cluster', instances: 2 });
    const load = startLoad({ port, clients: 32, path: '/?ms=30', pauseMs: 5 });
    await waitFor(() => load.counts().requests > 100, { what: 'load' });
    const pids = (await pm2.processes('scale')).map(({ pid }) => pid);
    await pm2.ok('scale', 'scale', '1');
    assert.deepEqual((await load.stop()).failures, {}, pm2.logs('scale'));
    assert.equal(pids.filter(isAlive).length, 1);
    await pm2.ok('delete', 'scale');
  });

  it('by one reload right after the other: nothing is lost, though agents come when a reload is over', async () => {
    const { port } = await start('again', 'http.cjs', { exec_mode: 'cluster', instances: 2 });
    const load = startLoad({ port, clients: 32, path: '/?ms=30', pauseMs: 5 });
    await waitFor(() => load.counts().requests > 100, { what: 'load' });
    for (let times = 0; times < 3; times++) {
      const before = (await pm2.processes('again')).map(({ pid }) => pid);
      await pm2.ok('reload', 'again');
      assert.equal(before.filter(isAlive).length, 0);
    }
    assert.deepEqual((await load.stop()).failures, {}, pm2.logs('again'));
    assert.equal(pm2.logs('again').match(/drained in .* 0 cut$/gm)?.length, 6, pm2.logs('again'));
    await untilAttached(pm2, 'again');
    await pm2.ok('delete', 'again');
  });

  it('by pm2 reload: what is new has its agent when what is old is gone, and nobody is alarmed before', async () => {
    const { port, pid } = await start('waits', 'http.cjs', { exec_mode: 'cluster', kill_timeout: 10_000 });
    const request = await statusUnderWay(port, '/?ms=5000&received');
    const reload = pm2.ok('reload', 'waits');
    const row = async () => (await moduleStatus(pm2)).processes.find(({ name }) => name === 'waits');
    await waitFor(async () => (await row())?.code === 'reloading', {
      what: 'it waits',
      context: () => pm2.logs('pm2-ops'),
    });
    const { findings } = await pm2.triggerOne<DoctorReply>('pm2-ops', 'doctor', undefined, 30_000);
    const told = findings.filter(({ check, about }) => check === 'attached' && about?.startsWith('waits'));
    assert.deepEqual(
      told.map(({ severity }) => severity),
      ['info'],
    );
    assert.ok(isAlive(pid), 'the old one has left too early for this test');
    assert.equal(await request.answer, 200);
    await reload;
    await untilAttached(pm2, 'waits');
    await pm2.ok('delete', 'waits');
  });

  it('stays until PM2 has heard that it takes no more: a connection handed over in between goes to another', async () => {
    const { port, pid } = await start('handover', 'http.cjs', {
      exec_mode: 'cluster',
      instances: 2,
      kill_timeout: 5_000,
      autorestart: false,
    });
    const answers = await askStoppedPrimary(pm2.daemonPid(), port, () => process.kill(pid, 'SIGINT'));
    await gone(pid);
    for (const answer of answers) assert.match(answer, /^HTTP\/1.1 200 /);
    assert.match(pm2.logs('handover'), /drained in .* 0 cut$/m);
    await pm2.ok('delete', 'handover');
  });

  it('with a handler of its own is left to it', async () => {
    await start('own', 'own-sigint.cjs');
    assert.equal((await graceful('own')).graceful, 'app');
    await pm2.ok('stop', 'own');
    await said('own', /OWN SIGINT HANDLER CALLED\nclosed well/);
    assert.doesNotMatch(pm2.logs('own'), /drained in/);
    await pm2.ok('delete', 'own');
  });

  it('with a handler that it adds later, even one for a single time, is left to it', async () => {
    const { port } = await start('later', 'own-sigint-once.cjs');
    assert.equal((await graceful('later')).graceful, 'ours');
    await get({ port, path: '/handle' });
    assert.equal((await pm2.triggerOne<Row>('later', 'ops-status')).graceful, 'app');
    await pm2.ok('stop', 'later');
    await said('later', /OWN SIGINT HANDLER CALLED\nstill there/);
    assert.doesNotMatch(pm2.logs('later'), /drained in/);
    await pm2.ok('delete', 'later');
  });

  it('with signal-exit, which only tidies up, is drained and tidied up', async () => {
    const { port } = await start('tidy', 'signal-exit.cjs', { kill_timeout: 3_000 });
    const request = await statusUnderWay(port, '/?ms=2000&received');
    await pm2.ok('stop', 'tidy');
    assert.equal(await request.answer, 200);
    await said('tidy', /1 finished, 0 closed, 0 cut\nTIDIED UP/);
    await pm2.ok('delete', 'tidy');
  });

  it('ends at once on a second signal', async () => {
    const { port, pid } = await start('twice', 'http.cjs', { kill_timeout: 8_000, autorestart: false });
    const request = await statusUnderWay(port, '/?ms=6000&received');
    process.kill(pid, 'SIGTERM');
    await waitFor(() => refuses(port), { what: 'the first signal to be heard' });
    // Within 100 ms it is taken for the same signal.
    await sleep(150);
    assert.ok(isAlive(pid));
    process.kill(pid, 'SIGTERM');
    await gone(pid);
    assert.equal(await request.answer, 'cut');
    await waitFor(() => /App \[twice:\d+\] exited with code \[0\] via signal \[SIGTERM\]/.test(pm2.daemonLog()), {
      what: 'the signal in the log of PM2',
    });
    await pm2.ok('delete', 'twice');
  });

  it('without a server dies of the signal, at once, as ever', async () => {
    const [worker] = await pm2.startApp({ name: 'worker', script: app('no-server.cjs'), autorestart: false });
    await untilAttached(pm2, 'worker');
    assert.equal((await graceful('worker')).graceful, 'off');
    process.kill(worker!.pid, 'SIGTERM');
    await gone(worker!.pid);
    await waitFor(() => /App \[worker:\d+\] exited with code \[0\] via signal \[SIGTERM\]/.test(pm2.daemonLog()), {
      what: 'the signal in the log of PM2',
    });
    await pm2.ok('delete', 'worker');
  });

  it('after detach, or with graceful=off, dies of the signal as ever', async () => {
    const { port, pid } = await start('plain', 'http.cjs', { autorestart: false });
    await pm2.triggerOne('pm2-ops', 'detach', 'app=plain');
    await waitFor(async () => (await pm2.triggerOne<{ code?: string }>('plain', 'gc')).code === 'E_STATE', {
      what: 'the agent to be out',
    });
    const request = await statusUnderWay(port, '/?ms=6000&received');
    process.kill(pid, 'SIGINT');
    await gone(pid);
    assert.equal(await request.answer, 'cut');
    assert.doesNotMatch(pm2.logs('plain'), /drained in/);
    await pm2.ok('delete', 'plain');

    await pm2.ok('set', 'pm2-ops:graceful', 'off');
    await waitFor(async () => (await moduleStatus(pm2)).settings.graceful === 'off', { what: 'the setting' });
    await start('off', 'http.cjs', { exec_mode: 'cluster' });
    assert.equal((await graceful('off')).graceful, 'off');
    await pm2.ok('stop', 'off');
    assert.doesNotMatch(pm2.logs('off'), /drained in/);
  });
});

describe('pm2-runtime with the module', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startWithModule();
    await pm2.ok('kill');
  });
  after(() => pm2.kill());

  it('told to go by SIGTERM, as a container is: every request on its way is answered', async () => {
    const port = await freePort();
    const file = join(pm2.folder, 'runtime.json');
    const web = { name: 'web', script: app('http.cjs'), exec_mode: 'cluster', instances: 2, vizion: false };
    writeFileSync(file, JSON.stringify({ apps: [{ ...web, kill_timeout: 3_000, env: { PORT: port } }] }));
    const runtime = spawn(pm2.node, [join(pm2Folder(), 'bin', 'pm2-runtime'), 'start', file], {
      env: pm2.env,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => runtime.once('exit', resolve));
    await untilServing({ port });
    await untilAttached(pm2, 'web');
    const underWay = Array.from({ length: 16 }, () => statusUnderWay(port, '/?ms=900&received'));
    const requests = await Promise.all(underWay);
    runtime.kill('SIGTERM');
    assert.deepEqual([...new Set(await Promise.all(requests.map(({ answer }) => answer)))], [200]);
    await within(10_000, 'the end of pm2-runtime', ended);
    assert.equal(pm2.logs('web').match(/drained in .* 0 cut$/gm)?.length, 2, pm2.logs('web'));
  });
});
