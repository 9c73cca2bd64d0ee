import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import type { Attachment, Member } from '../../../module/fleet/fleet.ts';
import { hasComeUp, isBelievedToServe, isBusyServing, mayServe, saysItServes } from '../../../module/fleet/serving.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { listed } from '../../support/listed.ts';

const attached: Attachment = { is: 'attached', version: '1.0.0', since: 0 };
const waiting = (code: string): Attachment => ({ is: 'waiting', code, reason: '' });
const skipped: Attachment = { is: 'skipped', code: 'own-handler', reason: 'has its own SIGUSR1 handler' };

describe('an instance counts as one that serves', () => {
  const says = member({ attachment: attached, state: 'serving' });
  const neverAttached = member({ attachment: skipped });
  const slow = member({ attachment: waiting('no-answer') });
  const not: [string, Member][] = [
    ['that only boots', member({ attachment: waiting('booting') })],
    ['that was just seen', member({ attachment: waiting('new') })],
    ['that a reload of PM2 starts', member({ attachment: waiting('reloading'), state: 'serving' })],
    ['that is drained', member({ attachment: attached, state: 'drained' })],
    ['that drains', member({ attachment: attached, state: 'draining' })],
    ['without a server', member({ attachment: attached, state: 'no-server' })],
    ['that PM2 stops, whatever its agent said last', member({ attachment: attached, state: 'serving' }, 'stopping')],
    ['that a reload of PM2 is about to end', member({ attachment: attached, state: 'serving' }, 'online', '_old_3')],
    ['that is only a wrapper of the app', member({ attachment: attached, state: 'serving', wrapper: true })],
  ];

  it('when its agent says so: others are taken out for it', () => {
    assert.deepEqual([says, neverAttached, slow].map(saysItServes), [true, false, false]);
  });

  it('when it never gets an agent: its clients are believed to be served', () => {
    assert.deepEqual([says, neverAttached, slow].map(isBelievedToServe), [true, true, false]);
  });

  it("when its agent is slow: a person's drain of another one is not refused for that", () => {
    assert.deepEqual([says, neverAttached, slow].map(mayServe), [true, true, true]);
  });

  for (const [which, instance] of not) {
    it(`and never one ${which}`, () => {
      assert.deepEqual(
        [saysItServes(instance), isBelievedToServe(instance), mayServe(instance)],
        [false, false, false],
      );
    });
  }
});

describe('an instance has come up', () => {
  it('when it serves, and in an app that serves nobody when it has no server either', () => {
    const worker = member({ attachment: attached, state: 'no-server' });
    assert.equal(hasComeUp(member({ attachment: attached, state: 'serving' }), true), true);
    assert.equal(hasComeUp(worker, false), true);
    assert.equal(hasComeUp(worker, true), false);
    assert.equal(hasComeUp(member({ attachment: attached, state: 'no-server' }, 'errored'), false), false);
  });

  it('when it is too busy for its agent because of its clients, not because it boots', async () => {
    const listens = 'const net = require("net"); const server = net.createServer().listen(0, "127.0.0.1", () => {';
    const says = 'console.log("listens"); });';
    const withoutClient = await run(`${listens} ${says}`);
    const withClient = await run(`${listens} net.connect(server.address().port, "127.0.0.1"); ${says}`);
    try {
      const busy = (pid: number) => member({ attachment: waiting('busy') }, 'online', 3, pid);
      await waitFor(() => isBusyServing(busy(withClient.pid)), { what: 'the one with a client to count' });
      assert.equal(isBusyServing(busy(withoutClient.pid)), false);
      assert.equal(isBusyServing(member({ attachment: waiting('booting') }, 'online', 3, withClient.pid)), false);
    } finally {
      withClient.end();
      withoutClient.end();
    }
  });
});

function member(
  about: Pick<Member, 'attachment'> & Partial<Member>,
  status = 'online',
  pmId: ManagedProcess['pmId'] = 3,
  pid = 1003,
): Member {
  return { process: listed({ name: 'web', pmId, pid, status }), state: 'unknown', kept: [], wrapper: false, ...about };
}

/** A process of that code, once it has printed something. */
async function run(code: string): Promise<{ pid: number; end(): void }> {
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return { pid: child.pid ?? 0, end: () => child.kill() };
}
