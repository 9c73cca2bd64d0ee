import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Fleet, Member } from '../../../module/fleet/fleet.ts';
import { createReadiness } from '../../../module/fleet/readiness.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';

// PM2 takes the pids of its list first and reads the rest of it a measurement later: nothing can be told to happen between.
it('a successor is not mistaken for its predecessor where the list has an old pid beside a new count of restarts', async () => {
  const process = (pid: number, status: string) => ({ pmId: 1, pid, restarts: 1, status, waitReady: false });
  const lists = [process(100, 'stopped'), process(100, 'launching'), process(200, 'online'), process(200, 'online')];
  let listed = lists[0]!;
  const member = () =>
    ({
      process: listed as unknown as ManagedProcess,
      attachment: { is: 'attached', version: '', since: 0 },
      state: 'serving',
      kept: [],
      wrapper: false,
    }) satisfies Member;
  const readiness = createReadiness({
    fleet: { get: member, readyAt: () => undefined } as unknown as Fleet,
    serversOf: () => Promise.reject(new Error('not asked')),
    refresh: async () => {
      listed = lists.shift() ?? listed;
    },
    askState: async () => {},
    checkpoint: () => {},
  });
  const startedMs = performance.now();
  const successor = { pmId: 1, pid: 0, formerPid: 100, restarts: 1, startedMs };
  const { process: ready } = await readiness.untilReady(successor, { serves: true, endsMs: startedMs + 10_000 });
  assert.equal(ready.pid, 200);
});
