import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { appOf } from '../../../contract/app.ts';
import { createTurns, type Turn } from '../../../module/operations/turns.ts';

const WEB = appOf({ namespace: 'default', name: 'web' });
const API = appOf({ namespace: 'default', name: 'api' });
const taker = (pmId: number) => ({ pmId, pid: 1000 + pmId });

describe('the turns of an app', () => {
  it('come in the order in which they were taken, one when the one before is over', () => {
    const { enter, begun, turns } = inOrder();
    const [first, second] = [enter(0), enter(1)];
    enter(2);
    assert.deepEqual(begun, [0]);
    assert.equal(turns.current(WEB)?.taker.pmId, 0);
    first.leave();
    assert.deepEqual(begun, [0, 1]);
    second.leave();
    assert.deepEqual(begun, [0, 1, 2]);
  });

  it('pass over one that does not want its turn any more', () => {
    const { enter, begun, turns } = inOrder();
    const [first, second, third] = [enter(0), enter(1), enter(2)];
    second.leave();
    assert.deepEqual(begun, [0]);
    first.leave();
    assert.deepEqual(begun, [0, 2]);
    third.leave();
    assert.equal(turns.current(WEB), undefined);
    enter(3);
    assert.deepEqual(begun, [0, 2, 3]);
  });

  it('last until all that is done in them is over: a dump goes on when its command has given up', () => {
    const { enter, begun } = inOrder();
    const first = enter(0);
    enter(1);
    first.share();
    first.leave();
    assert.deepEqual(begun, [0]);
    first.leave();
    assert.deepEqual(begun, [0, 1]);
  });

  it('are none of the business of other apps', () => {
    const { enter, begun } = inOrder();
    enter(0);
    enter(7, API);
    assert.deepEqual(begun, [0, 7]);
  });

  it('can be waited for, and one that waits too long holds nobody up', async () => {
    const { enter, begun, turns } = inOrder();
    const first = enter(0);
    const late = turns.take(WEB, taker(1), 20);
    enter(2);
    assert.equal(await late, undefined);
    first.leave();
    assert.deepEqual(begun, [0, 2]);
    const next = turns.take(WEB, taker(3), 10_000);
    turns.current(WEB)?.leave();
    assert.equal((await next)?.taker.pmId, 3);
  });
});

function inOrder() {
  const turns = createTurns();
  /** The ids of those whose turn has come. */
  const begun: number[] = [];
  return {
    turns,
    begun,
    enter: (pmId: number, app = WEB): Turn => turns.enter(app, taker(pmId), () => begun.push(pmId)),
  };
}
