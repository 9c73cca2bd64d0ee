import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { HeardReply } from '../../../contract/reply.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { createRollingReload } from '../../../module/operations/reload/rollingReload.ts';
import type { Daemon } from '../../../module/pm2/daemon.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';
import { listed } from '../../support/listed.ts';

// PM2 hands a connection over in the moment before it hears of the drain: no client can be told to come just then.
it('an instance that a reload has drained answers once more before it is ended: what PM2 had handed over is given back', async () => {
  const fleet = createFleet(() => true);
  let list = [0, 1].map((pmId) => instance(pmId, process.pid));
  const happened: string[] = [];
  const refresh = async () => {
    fleet.sync(list);
    for (const member of fleet.members()) {
      if (member.attachment.is === 'attached') continue;
      Object.assign(member, { attachment: { is: 'attached', version: '1', since: 0 }, state: 'serving' });
      member.addresses = [{ at: '127.0.0.1:4000' }];
    }
  };
  const daemon = {
    onReady: () => {},
    onProcessEvent: () => {},
    onBusEvent: () => {},
    startAnother: async () => {
      list = [...list, instance(2, process.ppid)];
    },
    restart: async (pmId: number) => {
      happened.push(`end ${pmId}`);
      list = list.map((each) => (each.pmId === pmId ? { ...instance(pmId, 1), restarts: 1 } : each));
    },
    remove: async (pmId: number) => {
      list = list.filter((each) => each.pmId !== pmId);
    },
  } as unknown as Daemon;
  const reloads = createRollingReload({
    fleet,
    daemon,
    calls: {
      run: async (pmId: number, action: string): Promise<HeardReply<'drain'>> => {
        if (action === 'drain') happened.push(`drained ${pmId}`);
        const member = fleet.get(pmId);
        if (member) member.state = action === 'drain' ? 'drained' : 'serving';
        return { ok: true, action, pid: 0, ms: 0, finished: 0, cut: 0 };
      },
    } as never,
    doors: undefined as never,
    journal: { read: () => [], write: () => {}, clear: () => {} },
    refresh,
    askState: async ({ process }) => void happened.push(`answers ${process.pmId}`),
    dumping: () => undefined,
    log: () => {},
  });
  await refresh();
  const params = { app: 'web', timeout: 5_000, settle: 0, health: undefined, drain: 1_000, patient: 0, force: false };
  const reply = await reloads.reload({ ...params, env: undefined, by: 'command' }, () => {});
  assert.equal(reply.ok, true, JSON.stringify(reply));
  for (const pmId of [0, 1]) {
    const mine = happened.filter((each) => each.endsWith(` ${pmId}`));
    const from = mine.indexOf(`drained ${pmId}`);
    assert.deepEqual(mine.slice(from, from + 3), [`drained ${pmId}`, `answers ${pmId}`, `end ${pmId}`]);
  }
});

function instance(pmId: number, pid: number): ManagedProcess {
  // Living ones: a reload looks whether a process has ended meanwhile.
  return listed({ pmId, pid, name: 'web' });
}
