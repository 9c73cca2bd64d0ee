import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Channel } from '../../agent/channel.ts';
import { readTrigger, sendReply } from '../../agent/trigger.ts';
import type { Reply } from '../../contract/reply.ts';
import { REPLY_AFTER_MS } from '../../contract/trigger.ts';
import { waitFor } from '../../testkit/wait-for.ts';

describe('a trigger', () => {
  it('is a bare name, or PM2’s command with whom it was for', () => {
    assert.deepEqual(readTrigger('gc'), { action: 'gc', raw: undefined, addressed: 'unknown' });
    assert.deepEqual(readTrigger({ msg: 'drain', opts: 'force=true', id: 3 }), {
      action: 'drain',
      raw: 'force=true',
      addressed: 'id',
    });
    assert.deepEqual(readTrigger({ msg: 'drain', opts: '{}', name: 'web' }), {
      action: 'drain',
      raw: '{}',
      addressed: 'name',
    });
  });

  it('is not any other message of the app’s', () => {
    for (const message of [
      null,
      undefined,
      0,
      '',
      'shutdown',
      'toString',
      {},
      { msg: 'mine' },
      { msg: { drain: 1 } },
      [],
    ]) {
      assert.equal(readTrigger(message), undefined);
    }
  });
});

describe('the reply to a trigger', () => {
  const reply: Reply = { ok: true, action: 'gc', pid: 1, ms: 0 };

  it('does not overtake the answer of PM2’s daemon, which pm2 trigger has to count first', async () => {
    const sent: { type: string; data: unknown; afterMs: number }[] = [];
    const began = performance.now();
    const channel = {
      send: (type: string, data: unknown) => sent.push({ type, data, afterMs: performance.now() - began }) > 0,
    } as Partial<Channel> as Channel;
    sendReply(channel, 'gc', reply, began);
    assert.equal(sent.length, 0);
    const [first] = await waitFor(() => sent.length === 1 && sent, { what: 'the reply', everyMs: 1 });
    assert.deepEqual([first?.type, first?.data], ['axm:reply', { action_name: 'gc', return: reply }]);
    assert.ok(first!.afterMs >= REPLY_AFTER_MS, `${first?.afterMs} ms`);
  });

  it('of something that took its time goes out at once', () => {
    const sent: unknown[] = [];
    const channel = { send: (...args: unknown[]) => sent.push(args) > 0 } as Partial<Channel> as Channel;
    sendReply(channel, 'gc', reply, performance.now() - 1000);
    assert.equal(sent.length, 1);
  });
});
