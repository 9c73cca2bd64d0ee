import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModuleMessage } from '../../../contract/agentMessages.ts';
import type { PmId } from '../../../contract/pmId.ts';
import { createAgentCalls } from '../../../module/agents/agentCalls.ts';
import { createBadMessages } from '../../../module/agents/badMessages.ts';
import { createAgentEars } from '../../../module/agents/hearAgents.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import { listed } from '../../support/listed.ts';

describe('what an agent says', () => {
  it('is heard of the process that it is, also when PM2 has just renamed it', () => {
    const { say, heard } = ears();
    say(1, { kind: 'bye', pid: 1001, reason: 'it was told to detach' });
    say('_old_1', { kind: 'done', id: '1001-0-1', pid: 1001 });
    assert.deepEqual(heard, ['lost 1', 'done 1001-0-1', 'cancel']);
  });

  it('is nothing in the name of another process', () => {
    const { say, heard, bad, fleet } = ears();
    const report = {
      pid: 1001,
      on: 'SIGINT',
      ms: 1,
      killTimeoutMs: 1,
      finished: 0,
      closed: 0,
      cut: 0,
      cutRequests: [],
    };
    say(2, { kind: 'state', pid: 1001, state: 'drained', graceful: 'off', addresses: [] });
    say(2, { kind: 'bye', pid: 1001, reason: 'so there' });
    say(2, { kind: 'done', id: '1001-0-1', pid: 1001 });
    say(2, { kind: 'done', id: '1001-0-1', pid: 1002 });
    say(2, { kind: 'leaves', report });
    say(2, { kind: 'compress', id: '1001-0-1', pid: 1001, from: '/a', to: '/b' });
    say(2, { kind: 'compress-end', id: '1001-0-1', pid: 1001, bytes: 1 });
    say(2, { kind: 'echo', id: '1001-0-1', pid: 1001 });
    assert.deepEqual(heard, []);
    assert.equal(fleet.get(1)?.state, 'unknown');
    assert.equal(bad.of(fleet.get(1)!), 0);
    assert.equal(bad.of(fleet.get(2)!), 1);
  });

  it('as the reply to a question has to come from whoever was asked, and to be one', async () => {
    const { say, calls, sent, bad, fleet } = ears();
    const asked = calls.run(1, 'gc', {}, 60_000);
    const { nonce } = sent[0] as { nonce: string };
    const reply = { ok: true, action: 'gc', pid: 1001, ms: 0 };
    say(2, { kind: 'reply', nonce, reply });
    assert.equal(bad.of(fleet.get(2)!), 1);
    say(1, { kind: 'reply', nonce, reply });
    assert.deepEqual(await asked, reply);

    const broken = calls.run(1, 'gc', {}, 60_000);
    say(1, { kind: 'reply', nonce: (sent[1] as { nonce: string }).nonce, reply: 'done' });
    assert.equal((await broken).ok, false);
    assert.equal(bad.of(fleet.get(1)!), 1);
  });

  it('too often is dropped without a look, of that process alone', () => {
    const { say, heard, bad, fleet, log } = ears();
    for (let i = 0; i < 1_000; i++) say(2, { kind: 'knock', version: '0.1.0', pid: 1002 });
    say(1, { kind: 'knock', version: '0.1.0', pid: 1001 });
    assert.ok(heard.filter((each) => each === 'knock 2').length < 400);
    assert.ok(heard.includes('knock 1'));
    assert.ok(bad.of(fleet.get(2)!) > 600);
    assert.equal(log.length, 1);
  });
});

function ears() {
  const fleet = createFleet(() => true);
  const inFork = { mode: 'fork' } as const;
  fleet.sync([listed({ pmId: 1, name: 'web', ...inFork }), listed({ pmId: 2, name: 'evil', ...inFork })]);
  const heard: string[] = [];
  const log: string[] = [];
  const sent: ModuleMessage[] = [];
  const note =
    (what: string) =>
    (...args: unknown[]) => {
      heard.push([what, ...args.filter((each) => ['string', 'number'].includes(typeof each))].slice(0, 2).join(' '));
      return true;
    };
  const send = async (_pmId: PmId, message: ModuleMessage) => {
    sent.push(message);
  };
  const events = createEvents((line) => log.push(line));
  for (const name of ['exit-report', 'state'] as const) events.on(name, () => void heard.push(name));
  const calls = createAgentCalls(send);
  const bad = createBadMessages(fleet, (line) => log.push(line));
  const say = createAgentEars({
    fleet,
    events,
    handshake: { heard: note('hello') },
    knocks: { knocked: note('knock') },
    attachLoop: { lost: note('lost') },
    coordinator: { ask: note('ask'), done: note('done') },
    compressor: { begin: note('compress'), end: note('compressed'), cancel: note('cancel') },
    calls,
    bad,
    send: note('echo') as never,
    onHello: note('settle'),
  });
  return { fleet, heard, log, sent, calls, bad, say };
}
