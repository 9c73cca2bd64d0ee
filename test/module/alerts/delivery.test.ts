import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Alert, PastAlert } from '../../../contract/alerts.ts';
import type { Attempt } from '../../../module/alerts/channel.ts';
import { createDelivery } from '../../../module/alerts/delivery.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { anAlert } from './records.ts';

/** A delivery to somebody who answers as told; each try is recorded. */
function deliver(answer: (alert: Alert, tries: number) => Attempt | Promise<Attempt>, waiting: Alert[] = []) {
  const tries: string[] = [];
  const past: PastAlert[] = [];
  const lines: string[] = [];
  const delivery = createDelivery({
    channel: {
      ...{ name: 'webhook', to: 'there', withinMs: 1 },
      async deliver(alert) {
        tries.push(alert.id);
        return answer(alert, tries.length);
      },
    },
    times: { firstPauseMs: 1, longestPauseMs: 4 },
    waiting,
    onPast: (each) => void past.push(each),
    log: (line) => void lines.push(line),
  });
  return { ...delivery, tries, past, lines };
}

const alerts = (...ids: string[]) => ids.map((id) => anAlert({ id }));
const NO: Attempt = { ok: false, said: 'there: answered 500' };
const YES: Attempt = { ok: true, said: 'there answered 200' };
const idsOf = (past: readonly PastAlert[]) => past.map(({ id, ok }) => `${id} ${ok}`);

describe('the delivery of alerts', () => {
  it('tries one again under the same id until it is taken, in order, and logs a failure and its end once', async () => {
    const { deliver: go, tries, past, lines, status } = deliver((_alert, n) => (n < 4 ? NO : YES), alerts('a', 'b'));
    go();
    await waitFor(() => past.length === 2, { what: 'both' });
    assert.deepEqual(tries, ['a', 'a', 'a', 'a', 'b']);
    assert.deepEqual(idsOf(past), ['a true', 'b true']);
    assert.equal(lines.length, 2);
    assert.deepEqual(status(), { channel: 'webhook', to: 'there', waiting: 0, lost: 0 });
  });

  it('lets others go first when one is refused for what it says', async () => {
    const {
      deliver: go,
      past,
      status,
    } = deliver(({ id }) => (id === 'bad' ? { ...NO, isRejected: true } : YES), alerts('bad', 'a', 'b'));
    go();
    await waitFor(() => past.length === 2, { what: 'the others' });
    assert.deepEqual(idsOf(past), ['a true', 'b true']);
    assert.equal(status().waiting, 1);
  });

  it('waits as long as the other side asks for', async () => {
    const { deliver: go, tries, status, close } = deliver(() => ({ ...NO, retryAfterMs: 60_000 }), alerts('a'));
    go();
    const failing = await waitFor(() => status().failing, { what: 'the failure' });
    assert.ok(failing.nextTryAt - Date.now() > 50_000);
    assert.equal(tries.length, 1);
    close();
  });

  it('gives up what is too old, and the oldest where too many wait, and says so', async () => {
    const old = anAlert({ id: 'old', at: Date.now() - 49 * 3_600_000 });
    const many = Array.from({ length: 203 }, (_, n) => anAlert({ id: `n${n}` }));
    const {
      deliver: go,
      past,
      status,
      waiting,
      close,
    } = deliver(() => ({ ...NO, retryAfterMs: 60_000 }), [old, ...many]);
    go();
    await waitFor(() => past.length === 4, { what: 'four given up' });
    assert.deepEqual(idsOf(past), ['old false', 'n0 false', 'n1 false', 'n2 false']);
    assert.match(past[0]?.said ?? '', /two days old/);
    assert.match(past[1]?.said ?? '', /too many/);
    assert.deepEqual([waiting().length, status().lost], [200, 4]);
    close();
  });

  it('keeps no more than half a megabyte', async () => {
    const large = Array.from({ length: 60 }, (_, n) => anAlert({ id: `n${n}`, title: 'x'.repeat(10_000) }));
    const { deliver: go, waiting, past, close } = deliver(() => ({ ...NO, retryAfterMs: 60_000 }), large);
    go();
    await waitFor(() => past.length > 0, { what: 'some given up' });
    assert.ok(JSON.stringify(waiting()).length <= 530_000);
    close();
  });

  it('survives a channel that throws', async () => {
    const { deliver: go, past } = deliver((_alert, n) => {
      if (n === 1) throw new Error('no memory');
      return YES;
    }, alerts('a'));
    go();
    await waitFor(() => past.length === 1, { what: 'the second try' });
  });
});
