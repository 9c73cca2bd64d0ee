import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ListenAddress } from '../../../contract/standing.ts';
import { coverOf, shareable } from '../../../module/fleet/cover.ts';
import type { Member } from '../../../module/fleet/fleet.ts';

describe('who can stand in for whom', () => {
  it('whoever listens on the same address, or on all addresses at that port', () => {
    assert.deepEqual(alone(['0.0.0.0:3000'], [['0.0.0.0:3000']]), []);
    assert.deepEqual(alone(['127.0.0.1:3000'], [['0.0.0.0:3000']]), []);
    assert.deepEqual(alone(['[::1]:3000'], [['[::]:3000']]), []);
    assert.deepEqual(alone(['0.0.0.0:3000'], [['127.0.0.1:3000']]), ['0.0.0.0:3000']);
    // Whether it takes connections of the other kind, too, cannot be seen.
    assert.deepEqual(alone(['0.0.0.0:3000'], [['[::]:3000']]), ['0.0.0.0:3000']);
    assert.deepEqual(alone(['127.0.0.1:3000'], [['127.0.0.1:3001']]), ['127.0.0.1:3000']);
    assert.deepEqual(alone(['127.0.0.1:3000'], [['127.0.0.1:30001', '127.0.0.13:3000']]), ['127.0.0.1:3000']);
  });

  it('several together; what none of them has is told', () => {
    assert.deepEqual(alone(['0.0.0.0:1', '0.0.0.0:2', '0.0.0.0:3'], [['0.0.0.0:1'], ['0.0.0.0:2']]), ['0.0.0.0:3']);
  });

  it("a cluster's workers share the path of a socket; processes that bind it themselves do not", () => {
    assert.deepEqual(alone(['/run/app.sock'], [['/run/app.sock']]), []);
    assert.deepEqual(alone(['/run/app:80'], [['0.0.0.0:80']]), ['/run/app:80']);
    const own = { at: '/run/app.sock', own: true } as const;
    assert.deepEqual(coverOf(member([own]), [member([own])]).alone, [own]);
  });

  it('one of which nothing is known, unless its siblings have an address each', () => {
    assert.deepEqual(coverOf(member([{ at: '0.0.0.0:1' }]), [member()]).alone, []);
    const known = member([{ at: '0.0.0.0:2' }]);
    assert.deepEqual(coverOf(member([{ at: '0.0.0.0:1' }]), [known, member()]).alone, [{ at: '0.0.0.0:1' }]);
  });

  it('beside it listens whoever shares its socket: through a primary, or because one does already', () => {
    const own = { at: '0.0.0.0:1', own: true } as const;
    const shared = { at: '0.0.0.0:2' };
    assert.deepEqual(shareable(member([own, shared]), []), [shared]);
    assert.deepEqual(shareable(member([own]), [member([own])]), [own]);
  });
});

/** At which of its addresses nobody else serves. */
function alone(mine: string[], others: string[][]): string[] {
  const each = (addresses: string[]) => member(addresses.map((at) => ({ at })));
  return coverOf(each(mine), others.map(each)).alone.map(({ at }) => at);
}

function member(addresses?: ListenAddress[]): Member {
  return (addresses ? { addresses } : {}) as Member;
}
