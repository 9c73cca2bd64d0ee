import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AgentOptions, ModuleMessage } from '../../../contract/agentMessages.ts';
import type { PmId } from '../../../contract/pmId.ts';
import { VERSION } from '../../../contract/version.ts';
import { createHandshake, HELLO_WITHIN_MS, type Hello } from '../../../module/agents/handshake.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import type { Daemon } from '../../../module/pm2/daemon.ts';
import { listed } from '../../support/listed.ts';

describe('an agent that answers', () => {
  it('is attached, and how its process stands is known', async () => {
    const { handshake, member, told } = shaking({ says: { state: 'drained', addresses: [{ at: '0.0.0.0:3000' }] } });
    assert.equal((await handshake.welcome(member))?.version, VERSION);
    assert.equal(member.attachment.is, 'attached');
    assert.equal(member.state, 'drained');
    assert.deepEqual(member.addresses, [{ at: '0.0.0.0:3000' }]);
    assert.deepEqual(told, ['attached 1', 'state unknown → drained']);
  });

  it('is told of once, however often it is asked', async () => {
    const { handshake, member, told } = shaking({ says: { state: 'serving' } });
    await handshake.askState(member);
    await handshake.askState(member);
    assert.deepEqual(told, ['attached 1', 'state unknown → serving', 'state serving → serving']);
  });

  it('too late for the one who asked, is attached all the same: a busy app shows as attached in the end', async () => {
    const { handshake, member, heard, nonces } = shaking({ says: 'nothing' });
    const answers = await handshake.answers(member, 10);
    assert.deepEqual([answers, member.attachment.is], [false, 'waiting']);
    assert.equal(heard(1, { nonce: nonces[0]! }), true);
    assert.equal(member.attachment.is, 'attached');
  });

  it('and is of another version is there, but not attached: it has to be replaced', async () => {
    const { handshake, member } = shaking({ says: { version: '0.0.1' } });
    assert.equal(await handshake.answers(member, HELLO_WITHIN_MS), true);
    assert.equal(await handshake.welcome(member), undefined);
    assert.equal(member.attachment.is, 'waiting');
  });
});

describe('a hello is not believed', () => {
  const lies: [string, PmId, (nonce: string) => Partial<Hello>][] = [
    ['that nobody asked for', 1, () => ({})],
    ['with a nonce that was made up', 1, () => ({ nonce: 'made-up' })],
    ['from another process that has seen the nonce', 2, (nonce) => ({ nonce })],
    ['from another process in the name of this one', 2, (nonce) => ({ nonce, pid: 1001 })],
  ];
  for (const [which, from, hello] of lies) {
    it(which, async () => {
      const { handshake, member, heard, nonces, told } = shaking({ says: 'nothing' });
      const asked = handshake.answers(member, 20);
      assert.equal(heard(from, hello(nonces[0] ?? '')), false);
      assert.equal(await asked, false);
      assert.equal(member.attachment.is, 'waiting');
      assert.deepEqual(told, []);
    });
  }

  it('a second time', async () => {
    const { handshake, member, heard, nonces } = shaking({ says: {} });
    await handshake.askState(member);
    assert.equal(heard(1, { nonce: nonces[0]!, state: 'drained' }), false);
    assert.equal(member.state, 'serving');
  });
});

describe('a process that does not answer', () => {
  it('holds nobody up who only wants to know how it stands', async () => {
    const { handshake, member } = shaking({ says: 'nothing' });
    const startedMs = performance.now();
    await handshake.askState(member);
    assert.ok(performance.now() - startedMs < 3 * HELLO_WITHIN_MS);
    assert.equal(member.state, 'unknown');
  });

  it('because PM2 does not know it any more, neither', async () => {
    const { handshake, member } = shaking({ says: new Error('PM2 does not know process 1') });
    await handshake.askState(member);
    assert.equal(member.state, 'unknown');
    await assert.rejects(handshake.answers(member, 10), /does not know process 1/);
  });
});

/** A handshake with process 1 (of two), whose agent says that at once. */
function shaking({ says }: { says: Partial<Hello> | 'nothing' | Error }) {
  const fleet = createFleet(() => true);
  fleet.sync([listed({ name: 'web', pmId: 1 }), listed({ name: 'web', pmId: 2 })]);
  const events = createEvents(assert.fail);
  const told: string[] = [];
  events.on('attached', ({ process }) => void told.push(`attached ${process.pmId}`));
  events.on('state', ({ before, state }) => void told.push(`state ${before} → ${state}`));
  /** Those that were sent to the process. */
  const nonces: string[] = [];
  const send = async (pmId: PmId, message: ModuleMessage) => {
    if (says instanceof Error) throw says;
    assert.ok(message.kind === 'welcome');
    nonces.push(message.nonce);
    if (says !== 'nothing') heard(pmId, { nonce: message.nonce, ...says });
  };
  const daemon = { send } as Daemon;
  const handshake = createHandshake({ daemon, fleet, events, optionsFor: () => ({}) as AgentOptions });
  const heard = (pmId: PmId, hello: Partial<Hello>) =>
    handshake.heard(pmId, {
      ...{ kind: 'hello', version: VERSION, pid: 1000 + Number(pmId), kept: [], wrapper: false },
      ...{ state: 'serving', graceful: 'off', addresses: [] },
      ...hello,
    });
  return { handshake, member: fleet.get(1)!, heard, nonces, told };
}
