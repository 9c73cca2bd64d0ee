import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ActionName } from '../../../contract/actions/index.ts';
import type { Grant } from '../../../contract/agentMessages.ts';
import { type App, appOf } from '../../../contract/app.ts';
import type { ParamValues } from '../../../contract/params.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { ServingState } from '../../../contract/standing.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { createCoordinator } from '../../../module/operations/coordinator.ts';
import type { Ask } from '../../../module/operations/drainGrants.ts';
import { createTurns } from '../../../module/operations/turns.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { listed } from '../../support/listed.ts';

describe('who may drain', () => {
  it('all but the last instance that serves, also when PM2 asks all at once', async () => {
    const { ask, grant } = coordinate('web', 3);
    for (const pmId of [0, 1, 2]) ask(pmId, 'drain');
    const last = await grant(2);
    assert.deepEqual([(await grant(0)).is, (await grant(1)).is, last.is], ['go', 'go', 'refuse']);
    assert.ok(last.is === 'refuse');
    assert.equal(last.code, 'E_LAST');
    assert.match(last.message, /web has 3 instances and no other one serves now/);
    assert.match(last.hint, /force=true/);
  });

  it('the last one too, when forced', async () => {
    const { ask, grant } = coordinate('web', 1);
    ask(0, 'drain', { force: true });
    assert.equal((await grant(0)).is, 'go');
  });

  it('not beside siblings that PM2 lists but that do not run, are drained, or only boot', async () => {
    const { ask, grant, fleet, list } = coordinate('web', 4);
    fleet.sync(list.map((process) => (process.pmId === 1 ? { ...process, status: 'errored' } : process)));
    fleet.get(2)!.state = 'drained';
    fleet.get(3)!.state = 'unknown';
    fleet.get(3)!.attachment = { is: 'waiting', code: 'booting', reason: 'Node is booting' };
    ask(0, 'drain');
    assert.equal((await grant(0)).is, 'refuse');
  });

  it('beside a sibling that cannot have an agent, when PM2 says that it is online', async () => {
    const { ask, grant, fleet } = coordinate('web', 2);
    fleet.get(1)!.state = 'unknown';
    fleet.get(1)!.attachment = { is: 'skipped', code: 'own-handler', reason: 'has its own SIGUSR1 handler' };
    ask(0, 'drain');
    assert.equal((await grant(0)).is, 'go');
  });

  it('beside a sibling that began to listen after its agent came: it is asked', async () => {
    const { ask, grant, fleet, now } = coordinate('web', 2);
    fleet.get(1)!.state = 'no-server';
    ask(0, 'drain');
    assert.equal((await grant(0)).is, 'refuse');
    now.set(1, 'serving');
    const again = ask(0, 'drain');
    await waitFor(async () => (await grant(0)).is === 'go', { what: `${again} to be granted`, everyMs: 1 });
  });

  it('not beside a process that PM2 is about to end', async () => {
    const { ask, grant, fleet, list } = coordinate('web', 2);
    // A reload of PM2: the old one is _old_1 now, and its successor only boots.
    fleet.sync([list[0]!, { ...list[1]!, pmId: '_old_1' }, { ...instance('web', 1), pid: 2001 }]);
    assert.equal(fleet.get('_old_1')!.state, 'serving');
    ask(0, 'drain');
    assert.equal((await grant(0)).is, 'refuse');
  });

  it('only beside one that listens on the same address, and of some addresses it is told that nobody else does', async () => {
    const { ask, grant, untilGo, fleet } = coordinate('web', 3);
    const listen = (pmId: number, ...at: string[]) => {
      fleet.get(pmId)!.addresses = at.map((each) => ({ at: each }));
    };
    listen(0, '127.0.0.1:4000');
    listen(1, '127.0.0.1:4001');
    listen(2, '127.0.0.1:4002');
    ask(0, 'drain');
    const refused = await grant(0);
    assert.ok(refused.is === 'refuse' && refused.code === 'E_LAST');
    assert.match(
      refused.message,
      /no other instance of web listens on 127\.0\.0\.1:4000 \(the others: 127\.0\.0\.1:4001, 127\.0\.0\.1:4002\)/,
    );
    ask(1, 'heapdump', {}, { addressed: 'id' });
    const { drain } = await untilGo(1);
    assert.ok(drain?.may === false);
    assert.match(drain.reason, /no other instance of web listens on 127\.0\.0\.1:4001/);
    listen(2, '127.0.0.1:4002', '0.0.0.0:4000');
    listen(0, '127.0.0.1:4000', '127.0.0.1:9000');
    ask(0, 'drain');
    await waitFor(async () => (await grant(0)).is === 'go', { what: 'the drain to be granted', everyMs: 1 });
    const granted = await grant(0);
    assert.ok(granted.is === 'go');
    assert.deepEqual(granted.alone, ['127.0.0.1:9000']);
  });

  it('within a moment, however many ask, beside a sibling whose event loop is blocked', async () => {
    const { ask, grant, blocked } = coordinate('web', 6);
    blocked.add(5);
    const began = performance.now();
    for (const pmId of [0, 1, 2, 3]) ask(pmId, 'drain');
    assert.equal((await grant(3)).is, 'go');
    assert.ok(performance.now() - began < 1_000, 'an agent waits for two seconds');
  });

  it('again, once a sibling serves again', async () => {
    const { ask, done, grant } = coordinate('web', 2);
    const first = ask(0, 'drain');
    ask(1, 'drain');
    assert.equal((await grant(1)).is, 'refuse');
    // The drain was aborted: its state never became drained.
    done(first);
    ask(1, 'drain');
    await waitFor(async () => (await grant(1)).is === 'go', { what: 'the second to be granted', everyMs: 1 });
  });
});

describe('an app of the same name in another namespace', () => {
  it('neither serves for this one, nor takes its turn', async () => {
    const { ask, grant, untilGo, fleet, list, dumping } = coordinate('api', 1);
    fleet.sync([...list, instance('api', 1, 'blue')]);
    Object.assign(fleet.get(1)!, { state: 'serving', attachment: { is: 'attached', version: '1.0.0', since: 0 } });
    ask(0, 'drain');
    const refused = await grant(0);
    assert.ok(refused.is === 'refuse');
    assert.match(refused.message, /^api has one instance/);
    ask(1, 'heapdump', {}, { addressed: 'id' });
    const { drain } = await untilGo(1);
    assert.ok(drain?.may === false);
    assert.match(drain.reason, /^blue:api has one instance/);
    assert.equal(dumping(appOf({ namespace: 'default', name: 'api' })), undefined);
    assert.equal(dumping(appOf({ namespace: 'blue', name: 'api' })), 1);
  });
});

describe('who may dump', () => {
  it('by name: the instance with the largest heap, and the others are told how', async () => {
    const { ask, grantOf } = coordinate('web', 3);
    ask(0, 'heapdump', {}, { heapUsed: 10e6 });
    ask(1, 'heapdump', {}, { heapUsed: 99e6 });
    ask(2, 'heapdump', {}, { heapUsed: 20e6 });
    await waitFor(() => grantOf(1)?.is === 'go', { what: 'the largest may dump' });
    const skipped = grantOf(2);
    assert.ok(skipped?.is === 'skip');
    assert.match(skipped.reason, /instance 1 dumps.*pm2 trigger 2 heapdump.*all=true/);
    assert.equal(grantOf(0)?.is, 'skip');
  });

  it('an instance that was busy and asks late is told of the one that dumps', async () => {
    const { ask, grantOf } = coordinate('web', 3);
    ask(0, 'heapdump');
    ask(1, 'heapdump');
    await waitFor(() => grantOf(0)?.is === 'go' || grantOf(1)?.is === 'go', { what: 'one may dump' });
    ask(2, 'heapdump');
    assert.equal(grantOf(2)?.is, 'skip');
  });

  it('by id: at once, and the next one when the first is done', async () => {
    const { ask, done, grant, untilGo, grantOf } = coordinate('web', 2);
    const first = ask(0, 'heapdump', {}, { addressed: 'id' });
    ask(1, 'heapdump', {}, { addressed: 'id' });
    await untilGo(0);
    assert.equal((await grant(1)).is, 'wait');
    assert.equal(grantOf(1)?.is, 'wait');
    done(first);
    await untilGo(1);
  });

  it('with all=true: everyone, one after the other, and a process that dies midway is passed over', async () => {
    const { ask, gone, untilGo, grantOf } = coordinate('web', 3);
    for (const pmId of [0, 1, 2]) ask(pmId, 'heapdump', { all: true });
    await untilGo(0);
    assert.deepEqual([grantOf(1)?.is, grantOf(2)?.is], ['wait', 'wait']);
    gone(1001);
    gone(1000);
    await untilGo(2);
  });

  it('drained where a sibling serves, which then may not drain itself; in place, with the reason, where none does', async () => {
    const { ask, done, untilGo, grant, fleet } = coordinate('web', 2);
    const first = ask(0, 'heapdump', {}, { addressed: 'id' });
    assert.deepEqual((await untilGo(0)).drain, { may: true });
    ask(1, 'drain');
    assert.equal((await grant(1)).is, 'refuse');
    done(first);
    fleet.get(1)!.state = 'drained';
    ask(0, 'heapdump', {}, { addressed: 'id' });
    const alone = await waitFor(
      async () => {
        const { drain } = await untilGo(0);
        return drain?.may === false && drain;
      },
      { what: 'a dump in place', everyMs: 1 },
    );
    assert.match(alone.reason, /no other one serves now/);
  });

  it('instances of different apps do not wait for each other', async () => {
    const { ask, untilGo, fleet, list } = coordinate('web', 1);
    fleet.sync([...list, instance('api', 7)]);
    ask(0, 'heapdump', {}, { addressed: 'id' });
    ask(7, 'heapdump', {}, { addressed: 'id' });
    await untilGo(7);
  });
});

describe('a dump and a rolling reload of the same app', () => {
  it('a dump is refused while the reload runs', async () => {
    const { ask, grant, reloading } = coordinate('web', 2);
    reloading.add(appOf({ namespace: 'default', name: 'web' }));
    ask(0, 'heapdump', {}, { addressed: 'id' });
    const refused = await grant(0);
    assert.ok(refused.is === 'refuse');
    assert.equal(refused.code, 'E_STATE');
    assert.match(refused.message, /web is being reloaded/);
    reloading.clear();
    ask(1, 'heapdump', {}, { addressed: 'id' });
    assert.equal((await grant(1)).is === 'refuse', false);
  });

  it('one that gathers, waits or runs is known until it is over', async () => {
    const { ask, untilGo, done, dumping } = coordinate('web', 2);
    assert.equal(dumping(appOf({ namespace: 'default', name: 'web' })), undefined);
    const first = ask(1, 'heapdump');
    assert.equal(dumping(appOf({ namespace: 'default', name: 'web' })), 1);
    await untilGo(1);
    assert.equal(dumping(appOf({ namespace: 'default', name: 'web' })), 1);
    assert.equal(dumping(appOf({ namespace: 'default', name: 'api' })), undefined);
    done(first);
    assert.equal(dumping(appOf({ namespace: 'default', name: 'web' })), undefined);
  });
});

describe('a question from a process that is not known', () => {
  it('is refused, not left without an answer', () => {
    const { ask, grantOf } = coordinate('web', 1);
    ask(5, 'heapdump');
    const grant = grantOf(5);
    assert.ok(grant?.is === 'refuse');
    assert.equal(grant.code, 'E_STATE');
  });
});

function coordinate(name: string, instances: number) {
  const fleet = createFleet(() => true);
  const list = Array.from({ length: instances }, (_, index) => instance(name, index));
  fleet.sync(list);
  for (const member of fleet.members()) {
    member.state = 'serving';
    member.attachment = { is: 'attached', version: '1.0.0', since: 0 };
  }
  const grants = new Map<PmId, Grant>();
  /** What an agent would say if it were asked. */
  const now = new Map<PmId, ServingState>();
  const reloading = new Set<App>();
  /** Those that answer nothing. */
  const blocked = new Set<PmId>();
  const turns = createTurns();
  const coordinator = createCoordinator({
    fleet,
    turns,
    answer: (pmId, _id, grant) => grants.set(pmId, grant),
    extraInstances: { whyNot: () => undefined, start: () => Promise.reject(new Error('no room')), end: async () => {} },
    askState: async (member) => {
      if (blocked.has(member.process.pmId)) await new Promise(() => {});
      member.state = now.get(member.process.pmId) ?? member.state;
    },
    reloading: (app) => reloading.has(app),
  });
  let asked = 0;
  /** By question: the pid of who asked. */
  const askers = new Map<string, number>();
  return {
    fleet,
    list,
    now,
    /** The grant for the question of that instance; drains are decided one after the other. */
    grant: (pmId: PmId) => waitFor(() => grants.get(pmId), { what: `a grant for ${pmId}`, everyMs: 1 }),
    untilGo: (pmId: PmId) =>
      waitFor(
        () => {
          const grant = grants.get(pmId);
          return grant?.is === 'go' && grant;
        },
        { what: `${pmId} to be let`, everyMs: 1 },
      ),
    ask(pmId: number, action: ActionName, params: ParamValues = {}, more: Partial<Ask> = {}): string {
      const id = `ask-${asked++}`;
      askers.set(id, more.pid ?? 1000 + pmId);
      coordinator.ask(pmId, {
        kind: 'ask',
        id,
        pid: 1000 + pmId,
        action,
        params,
        addressed: 'unknown',
        heapUsed: 5e6,
        ...more,
      });
      return id;
    },
    done: (id: string) => coordinator.done(id, askers.get(id) ?? 0),
    gone: coordinator.gone,
    dumping: (app: App) => turns.current(app)?.taker.pmId,
    reloading,
    blocked,
    grantOf: (pmId: PmId) => grants.get(pmId),
  };
}

function instance(name: string, pmId: number, namespace = 'default'): ManagedProcess {
  return listed({ name, pmId, namespace });
}
