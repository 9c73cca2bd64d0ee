import assert from 'node:assert/strict';
import { utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchLease } from '../../agent/lease.ts';
import { releaseFolder, tempFolder } from '../../testkit/folders.ts';
import { waitFor } from '../../testkit/wait-for.ts';

const LEASE_MS = 1_200;

describe('an agent on its lease', () => {
  const folder = tempFolder();
  const file = join(folder, 'lease');
  after(() => releaseFolder(folder));

  /** Watches a lease of which each look sees an age in milliseconds; the last one stays. */
  function watch(ages: number[]) {
    writeFileSync(file, '');
    const seen = { looks: 0, expiredAfter: 0 };
    const stop = watchLease(
      file,
      LEASE_MS,
      () => {
        seen.expiredAfter = seen.looks;
      },
      () => {
        seen.looks += 1;
        const at = new Date(Date.now() - (ages.shift() ?? 0));
        utimesSync(file, at, at);
      },
    );
    return { seen, stop };
  }

  it('stays after one stale look: a machine that slept wakes the app before the module', async () => {
    const { seen, stop } = watch([1e6, 0, 1e6, 0, 0]);
    await waitFor(() => seen.looks >= 5, { what: 'five looks' });
    await sleep(LEASE_MS / 6 / 2);
    stop();
    assert.equal(seen.expiredAfter, 0);
  });

  it('leaves after two in a row', async () => {
    const { seen, stop } = watch([0, 1e6, 1e6, 1e6, 1e6]);
    await waitFor(() => seen.expiredAfter > 0, { what: 'its end' });
    stop();
    assert.equal(seen.expiredAfter, 3);
  });
});
