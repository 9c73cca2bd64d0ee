import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { FigureSample } from '../../../contract/figures.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createFigures, type Figures } from '../../../module/figures/figures.ts';
import type { Member } from '../../../module/fleet/fleet.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import type { Pm2Process } from '../../../testkit/pm2Versions.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

interface Heard {
  pid: number;
  sample: FigureSample;
  before: FigureSample | undefined;
}

describe('the figures of the processes of a daemon', () => {
  let pm2: Pm2;
  let figures: Figures;
  let processes: Pm2Process[];
  const events = createEvents(assert.fail);
  const heard: Heard[] = [];
  const ports: Record<string, number> = {};
  const of = (pid: number) => heard.filter((each) => each.pid === pid);

  before(async () => {
    pm2 = await startWithModule();
    for (const name of ['fork', 'cluster'] as const) {
      ports[name] = await freePort();
      const env = { PORT: ports[name] };
      await pm2.startApp({
        name,
        script: app('figures.cjs'),
        exec_mode: name,
        instances: name === 'fork' ? 1 : 2,
        env,
      });
      await untilServing({ port: ports[name] });
      await untilAttached(pm2, name);
    }
    processes = (await pm2.list()).filter(({ name }) => name in ports);
    const members = processes.map(({ pid, pm_id, name }) => ({
      process: { pid, pmId: pm_id, name, namespace: 'default' },
      attachment: { is: 'attached' },
    }));
    events.on('figures', ({ process, sample, before }) => void heard.push({ pid: process.pid, sample, before }));
    figures = createFigures({
      fleet: { members: () => members as unknown as Member[] },
      events,
      stateFolder: join(pm2.home, 'pm2-ops'),
    });
  });
  after(async () => {
    figures?.close();
    await pm2?.kill();
  });

  it('are heard of each of them, each sample once and in order', async () => {
    await waitFor(() => processes.every(({ pid }) => of(pid).length >= 3), {
      what: 'three samples of each',
      timeoutMs: 30_000,
    });
    for (const { pid } of processes) {
      const list = of(pid);
      assert.equal(list[0]!.before, undefined);
      for (const [index, { before }] of list.slice(1).entries()) assert.equal(before, list[index]!.sample);
      assert.ok(list.every(({ sample }, index) => index === 0 || sample.at > list[index - 1]!.sample.at));
    }
  });

  it('add up to what their clients have asked for', async () => {
    for (const [name, port] of Object.entries(ports)) {
      const total = (what: 'requests' | 'serverErrors') =>
        processes
          .filter((each) => each.name === name)
          .reduce((sum, { pid }) => sum + (figures.history(pid).at(-1)?.[what] ?? 0), 0);
      const before = { requests: total('requests'), serverErrors: total('serverErrors') };
      for (let i = 0; i < 40; i++) await get({ port, path: i % 4 === 0 ? '/500' : '/' });
      await waitFor(() => total('requests') === before.requests + 40, { what: `40 requests of ${name}` });
      assert.equal(total('serverErrors'), before.serverErrors + 10);
    }
  });

  it('are overdue while the event loop is blocked', async () => {
    const { pid } = processes.find(({ name }) => name === 'fork')!;
    const blocked = get({ port: ports.fork!, path: '/block?ms=8000' });
    await waitFor(() => figures.overdueMs(pid)! > 1_000, { what: 'it to be overdue' });
    assert.ok(figures.heartbeatAgeMs(pid)! > figures.overdueMs(pid)!);
    await blocked;
    await waitFor(() => figures.overdueMs(pid) === 0, { what: 'the next sample' });
  });

  it('and last words outlive the process, until they are discarded', async () => {
    for (const name of ['cluster', 'fork']) {
      const { pid, pm_id } = processes.find((each) => each.name === name)!;
      const newest = figures.newest(pid)!;
      await pm2.call('sendSignalToProcessId', { process_id: pm_id, signal: 'SIGKILL' });
      await waitFor(() => !existsSync(`/proc/${pid}`), { what: 'it to be gone' });
      assert.ok(figures.history(pid).some(({ at }) => at === newest.at));
      assert.equal(figures.lastWords(pid), undefined);
      figures.discard(pid);
      assert.deepEqual(figures.history(pid), []);
    }
  });
});
