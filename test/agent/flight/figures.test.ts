import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { FIGURES_BYTES, FIGURES_FOLDER, type FigureSample, figuresName } from '../../../contract/figures.ts';
import { readRing } from '../../../module/figures/ring.ts';
import { readStat } from '../../../shared/linux/proc.ts';
import { type AgentProcess, startAgentProcess } from '../../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { get, getUnderWay, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import { freePort, waitFor, within } from '../../../testkit/wait-for.ts';
import { cannotMount, mountSmall } from '../../support/limits.ts';

interface Running extends AgentProcess {
  port: number;
  h2c: number;
  file: string;
  ask(path: string): ReturnType<typeof get>;
  samples(): FigureSample[];
  /** Waits for a sample. */
  until(
    what: string,
    holds: (sample: FigureSample, before: FigureSample | undefined) => boolean,
  ): Promise<FigureSample>;
}

for (const { path: node, version, major } of nodes()) {
  /** A process that a failed test has left would keep this one. */
  const started: AgentProcess[] = [];

  describe(`the figures of a process on Node ${version}`, { concurrency: 4 }, () => {
    after(() => {
      for (const each of started) each.kill();
    });

    it('count its requests, what became of them, and what is open', async () => {
      const running = await start();
      for (let i = 0; i < 20; i++) await running.ask('/');
      for (const path of ['/404', '/404', '/500', '/503', '/503']) await running.ask(path);
      const slow = await getUnderWay({ port: running.port, path: '/slow?ms=3000' });
      const busy = await running.until(
        'one in flight',
        ({ inFlight, connections }) => inFlight === 1 && connections > 0,
      );
      // The request that found it serving counts as well.
      assert.deepEqual(
        [busy.requests - 25, busy.clientErrors, busy.serverErrors, busy.aborted],
        [1, 2, 3, 0],
        JSON.stringify(busy),
      );
      await slow.answer;
      const done = await running.until('the slow one', ({ requests }) => requests === 27);
      assert.equal(done.inFlight, 0);
      const ms = done.requestMs - busy.requestMs;
      assert.ok(ms >= 2_990, `a request of 3 s took ${ms} ms`);
      running.kill();
    });

    it('count a request as aborted whose client leaves', async () => {
      const running = await start();
      const leaving = new AbortController();
      const answer = fetch(`http://127.0.0.1:${running.port}/slow?ms=60000`, { signal: leaving.signal });
      await running.until('it in flight', ({ inFlight }) => inFlight === 1);
      leaving.abort();
      await assert.rejects(answer);
      const after = await running.until('it aborted', ({ aborted }) => aborted === 1);
      assert.deepEqual([after.inFlight, after.serverErrors], [0, 0]);
      running.kill();
    });

    it('count requests of HTTP/2', { skip: major < 24 && 'Node does not tell of streams there' }, async () => {
      const running = await start();
      const { requests } = await running.until('a sample', () => true);
      const session = connect(`http://127.0.0.1:${running.h2c}`);
      for (const path of ['/', '/404', '/500']) {
        const stream = session.request({ ':path': path });
        stream.resume();
        await once(stream, 'close');
      }
      const last = await running.until('three more', (sample) => sample.requests === requests + 3);
      assert.deepEqual([last.clientErrors, last.serverErrors, last.inFlight], [1, 1, 0]);
      session.destroy();
      running.kill();
    });

    it('count what nothing caught', async () => {
      const running = await start();
      for (let i = 0; i < 10; i++) await running.ask('/throw');
      for (let i = 0; i < 5; i++) await running.ask('/reject');
      await running.until('all of them', ({ exceptions, rejections }) => exceptions === 10 && rejections === 5);
      running.kill();
    });

    it('tell how long a blocked event loop was late, and their own delay tells it meanwhile', async () => {
      const running = await start();
      const free = await running.until('a sample of the idle loop', ({ utilization }) => utilization < 0.5);
      const blocked = running.ask('/block?ms=8000');
      await waitFor(
        () => {
          const last = running.samples().at(-1)!;
          return Date.now() > last.at + last.nextWithinMs + 500;
        },
        { what: 'the next sample to be overdue' },
      );
      await blocked;
      const after = await running.until('a late sample', ({ delayMaxMs }) => delayMaxMs > 6_000);
      assert.ok(after.utilization > free.utilization, `it worked for ${after.utilization} of the time`);
      // How much of a CPU it gets for that time is the machine's.
      assert.ok(after.cpuUserMs - free.cpuUserMs > 500, `${after.cpuUserMs - free.cpuUserMs} ms of CPU`);
      running.kill();
    });

    it('come less often from a process that is idle', async () => {
      const running = await start();
      const idle = await running.until('an idle time', ({ utilization }) => utilization < 0.02);
      assert.equal(idle.nextWithinMs, 5_000);
      const load = setInterval(() => void running.ask('/block?ms=5').catch(() => {}), 20);
      const busy = await running.until('a busy time', ({ utilization }) => utilization > 0.1);
      clearInterval(load);
      assert.equal(busy.nextWithinMs, 1_000);
      running.kill();
    });

    it('are there after a SIGKILL, for their user only', async () => {
      const running = await start();
      const before = await running.until('a sample', ({ rssBytes, heapUsedBytes }) => rssBytes > heapUsedBytes);
      assert.ok(before.heapLimitBytes > before.heapUsedBytes && before.externalBytes > 0 && before.cpuUserMs > 0);
      const ended = once(running.child, 'exit');
      running.kill();
      await ended;
      assert.ok(running.samples().some(({ at }) => at === before.at));
      const { mode, size } = statSync(running.file);
      assert.deepEqual([mode & 0o777, size], [0o600, FIGURES_BYTES]);
      assert.equal(statSync(join(running.file, '..')).mode & 0o777, 0o700);
    });

    it('have the limit that the process was told for its heap', async () => {
      const running = await start({ flags: ['--max-old-space-size=200'] });
      const { heapLimitBytes } = await running.until('a sample', () => true);
      assert.equal(heapLimitBytes, 200 * 1024 * 1024);
      running.kill();
    });

    it('end with the agent, and leave nothing in the process or on the disk', async () => {
      const running = await start();
      await running.until('a sample', () => true);
      running.detach();
      await waitFor(() => !existsSync(running.file), { what: 'the file to go' });
      const inside = JSON.parse((await running.ask('/inside')).body) as Record<string, unknown>;
      const bare = await start({ without: true });
      assert.deepEqual(inside, JSON.parse((await bare.ask('/inside')).body));
      running.kill();
      bare.kill();
    });

    it('keep no process alive', async () => {
      const script = join(tempFolder(), 'short.cjs');
      // The channel, which the test needs, would keep it.
      writeFileSync(script, `setTimeout(() => process.send('done', () => process.channel.unref()), 4000)`);
      const { child, stateDir } = await startBare(script);
      const done = once(child, 'message', { signal: AbortSignal.timeout(20_000) });
      const ended = once(child, 'exit');
      while ((await done)[0] !== 'done') await once(child, 'message');
      const [code] = await within(2_000, 'its end', ended);
      assert.equal(code, 0);
      assert.equal(readdirSync(join(stateDir, FIGURES_FOLDER)).length, 1);
    });

    it('are missing on a full disk, where the process serves on', { skip: cannotMount() }, async () => {
      const stateDir = tempFolder();
      const unmount = mountSmall(stateDir, 'size=4k');
      const running = await start({ stateDir });
      try {
        await waitFor(() => existsSync(join(stateDir, FIGURES_FOLDER)), { what: 'it to try' });
        await running.ask('/');
        assert.deepEqual(readdirSync(join(stateDir, FIGURES_FOLDER)), []);
      } finally {
        const ended = once(running.child, 'exit');
        running.kill();
        await ended;
        unmount();
      }
    });
  });

  async function startBare(script: string) {
    const stateDir = tempFolder();
    const agentProcess = await startAgentProcess(script, { stateDir, node });
    started.push(agentProcess);
    return { ...agentProcess, stateDir };
  }

  async function start({ stateDir = tempFolder(), flags = [] as string[], without = false } = {}): Promise<Running> {
    const port = await freePort();
    const h2c = await freePort();
    const agentProcess = await startAgentProcess(app('figures.cjs'), {
      stateDir,
      node,
      flags,
      env: { PORT: String(port), H2C: String(h2c) },
    });
    started.push(agentProcess);
    if (without) agentProcess.detach();
    await untilServing({ port });
    const pid = agentProcess.child.pid!;
    const file = join(stateDir, FIGURES_FOLDER, figuresName(pid, readStat(pid)!.startTime));
    const samples = () => readRing(file);
    return {
      ...agentProcess,
      port,
      h2c,
      file,
      samples,
      ask: (path) => get({ port, path }),
      until: (what, holds) =>
        waitFor(() => samples().find((sample, index, all) => holds(sample, all[index - 1])), {
          what,
          timeoutMs: 20_000,
          context: () => JSON.stringify(samples().slice(-3), null, 1),
        }),
    };
  }
}
