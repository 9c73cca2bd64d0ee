import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ActionName } from '../../../contract/actions/index.ts';
import type { Addressed } from '../../../contract/agentMessages.ts';
import type { RunProgress } from '../../../contract/commandMessages.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { HeardReply, Reply } from '../../../contract/reply.ts';
import type { AgentCalls } from '../../../module/agents/agentCalls.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { createActionRuns } from '../../../module/operations/actionRuns.ts';
import { createCoordinator } from '../../../module/operations/coordinator.ts';
import { createTurns } from '../../../module/operations/turns.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { listed } from '../../support/listed.ts';

/** Processes that run, so that none of them counts as ended. */
const PIDS = [process.pid, process.ppid];

describe('heap dumps of one app, asked for at once', () => {
  it('by two commands: one after the other, and the second says that it waits', async () => {
    const { command, dumping, end } = app();
    const first = command(0);
    const second = command(1);
    await dumping(0);
    assert.deepEqual(first.phases(), ['asked']);
    assert.deepEqual(second.phases(), ['waiting another heapdump of web runs']);
    end(0);
    assert.equal((await first.reply).ok, true);
    await dumping(1);
    end(1);
    assert.equal((await second.reply).ok, true);
  });

  it('by two commands for the same process: two dumps', async () => {
    const { command, dumping, end } = app();
    const [first, second] = [command(0), command(0)];
    await dumping(0);
    end(0);
    await first.reply;
    await dumping(0);
    end(0);
    assert.equal((await second.reply).ok, true);
  });

  for (const addressed of ['id', 'unknown'] as const) {
    it(`by a trigger (to ${addressed}), then a command: the command says that it waits, and comes next`, async () => {
      const { command, trigger, dumping, end } = app();
      const triggered = trigger(0, addressed);
      await dumping(0);
      const asked = command(1);
      await waitFor(() => asked.phases().length > 0, { what: 'the command to say something', everyMs: 1 });
      assert.deepEqual(asked.phases(), ['waiting another heapdump of web runs']);
      end(0);
      assert.equal((await triggered).ok, true);
      await dumping(1);
      end(1);
      assert.equal((await asked.reply).ok, true);
    });

    it(`by a command, and a trigger (to ${addressed}) that reaches the process first: the trigger's comes first`, async () => {
      const { command, trigger, dumping, end } = app();
      const triggered = trigger(0, addressed);
      const asked = command(0);
      await dumping(0);
      await waitFor(() => asked.phases().length === 2, { what: 'the command to wait', everyMs: 1 });
      assert.deepEqual(asked.phases(), ['asked', 'waiting another heapdump of web runs']);
      end(0);
      assert.equal((await triggered).ok, true);
      await dumping(0);
      end(0);
      assert.equal((await asked.reply).ok, true);
    });
  }

  it('by a command, and a trigger by name that reaches all first: the largest heap is still the one that dumps', async () => {
    const { command, trigger, dumping, end } = app();
    const triggered = [trigger(0, 'unknown'), trigger(1, 'unknown')];
    const asked = command(0);
    await dumping(1);
    end(1);
    const replies = await Promise.all(triggered);
    assert.deepEqual(
      replies.map((reply) => 'skipped' in reply),
      [true, false],
    );
    await dumping(0);
    end(0);
    assert.equal((await asked.reply).ok, true);
  });

  it('by a command, then a trigger: the trigger comes next', async () => {
    const { command, trigger, dumping, end, isDumping } = app();
    const asked = command(0);
    await dumping(0);
    const triggered = trigger(1, 'id');
    // Long enough for a dump that would not wait.
    await sleep(50);
    assert.equal(isDumping(1), false);
    end(0);
    assert.equal((await asked.reply).ok, true);
    await dumping(1);
    end(1);
    assert.equal((await triggered).ok, true);
  });

  it('by a command for a process whose dump this module does not know of: it hears so at once', async () => {
    const { command, agents } = app();
    agents[0]!.isBusy = true;
    const reply = await command(0).reply;
    assert.ok(reply.ok === false && 'results' in reply);
    assert.ok(reply.results[0]?.reply.ok === false);
    assert.equal(reply.results[0].reply.code, 'E_BUSY');
  });
});

/** An agent, as far as dumps are concerned: one at a time, and each is asked for. The heap of instance 1 is the largest. */
interface FakeAgent {
  isBusy: boolean;
  /** Ends the dump that runs. */
  end: (() => void) | undefined;
}

/** Two instances of `web`, whose messages take a turn of the event loop to the module and keep their order. */
function app() {
  const fleet = createFleet(() => true);
  fleet.sync(PIDS.map((pid, pmId) => listed({ name: 'web', pmId, pid })));
  for (const member of fleet.members()) {
    member.state = 'serving';
    member.attachment = { is: 'attached', version: '1.0.0', since: 0 };
  }
  const agents: FakeAgent[] = PIDS.map(() => ({ isBusy: false, end: undefined }));
  const turns = createTurns();
  const granted = new Map<string, (grant: 'go' | 'skip') => void>();
  const coordinator = createCoordinator({
    fleet,
    turns,
    answer: (_pmId, id, grant) => {
      if (grant.is === 'go' || grant.is === 'skip') granted.get(id)?.(grant.is);
    },
    extraInstances: { whyNot: () => undefined, start: () => Promise.reject(new Error('no room')), end: async () => {} },
    askState: async () => {},
    reloading: () => false,
  });
  let questions = 0;
  const calls: AgentCalls = {
    run: <Name extends ActionName>(pmId: PmId) => dump(Number(pmId), 'id') as Promise<HeardReply<Name>>,
    door: () => Promise.reject(new Error('not asked for here')),
    repl: () => Promise.reject(new Error('not asked for here')),
    heard: () => true,
  };
  const runs = createActionRuns({
    ...{ fleet, calls, turns, folder: '/nowhere', refresh: async () => {}, sweep() {} },
    events: createEvents(() => {}),
  });
  return {
    agents,
    /** What an agent does for a trigger, and for a command's `run`. */
    trigger: dump,
    command(pmId: number) {
      const told: RunProgress[] = [];
      return {
        reply: runs.run({ action: 'heapdump', target: String(pmId), params: {} }, (progress) => told.push(progress)),
        phases: () => told.map(({ phase, detail }) => [phase, detail].filter(Boolean).join(' ')),
      };
    },
    isDumping: (pmId: number) => agents[pmId]?.end !== undefined,
    /** Waits until that instance dumps, and no other one does. */
    async dumping(pmId: number) {
      await waitFor(() => agents[pmId]?.end, { what: `instance ${pmId} to dump`, everyMs: 1 });
      assert.equal(agents.filter(({ end }) => end).length, 1, 'one dump at a time');
    },
    end: (pmId: number) => agents[pmId]?.end?.(),
  };

  async function dump(pmId: number, addressed: Addressed): Promise<Reply> {
    const agent = agents[pmId]!;
    const pid = PIDS[pmId]!;
    const common = { action: 'heapdump', pid, ms: 0 };
    if (agent.isBusy) {
      await toModule(() => {});
      return { ok: false, ...common, code: 'E_BUSY', message: 'heapdump is already running', hint: 'wait' };
    }
    agent.isBusy = true;
    const id = `question ${questions++}`;
    const grant = new Promise<'go' | 'skip'>((resolve) => granted.set(id, resolve));
    const ask = { id, pid, action: 'heapdump', params: {}, addressed, heapUsed: 5e6 + pmId } as const;
    await toModule(() => coordinator.ask(pmId, { kind: 'ask', ...ask }));
    if ((await grant) === 'skip') {
      agent.isBusy = false;
      const skipped = { ok: true as const, ...common, skipped: true };
      return skipped;
    }
    await new Promise<void>((resolve) => {
      agent.end = resolve;
    });
    agent.end = undefined;
    agent.isBusy = false;
    await toModule(() => coordinator.done(id, pid));
    return { ok: true, ...common };
  }

  function toModule(deliver: () => void): Promise<void> {
    return new Promise((resolve) => {
      setImmediate(() => {
        deliver();
        resolve();
      });
    });
  }
}
