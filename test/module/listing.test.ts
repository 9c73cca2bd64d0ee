import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEvents } from '../../module/events/events.ts';
import { createFleet } from '../../module/fleet/fleet.ts';
import { createListing } from '../../module/listing.ts';
import type { ManagedProcess } from '../../module/pm2/managedProcess.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { listed } from '../support/listed.ts';

describe("PM2's list", () => {
  it('is read one at a time, and once for all who ask meanwhile: PM2 measures every process for it', async () => {
    const { listing, readings, answer } = pm2();
    const asked = [listing.refresh(), listing.refresh()];
    await readings(1);
    asked.push(listing.refresh(), listing.refresh(), listing.refresh());
    await aMoment();
    assert.equal(await readings(1), 1);
    answer([]);
    await readings(2);
    answer([]);
    await Promise.all(asked);
    assert.equal(await readings(2), 2);
  });

  it('is up to date for one who asks while it is read: that reading may be older than the question', async () => {
    const { listing, readings, answer, fleet } = pm2();
    void listing.refresh();
    await readings(1);
    const asked = listing.refresh();
    answer([]);
    await readings(2);
    answer([listed({ name: 'web', pmId: 3 })]);
    await asked;
    assert.equal(fleet.get(3)?.process.name, 'web');
  });

  it('is read once for the several events of one restart', async () => {
    const { listing, readings, answer } = pm2();
    for (let event = 0; event < 5; event++) listing.refreshSoon(10);
    await readings(1);
    answer([]);
    await sleep(50);
    assert.equal(await readings(1), 1);
  });

  it('is read again where it could not be read: PM2 may be busy, and who waits goes on', async () => {
    const { listing, readings, answer, fleet, logged } = pm2();
    const failed = listing.refresh();
    await readings(1);
    answer(new Error('the PM2 daemon did not list its processes within 10000 ms'));
    await failed;
    assert.deepEqual(logged, [
      "PM2's list could not be read: the PM2 daemon did not list its processes within 10000 ms",
    ]);
    const asked = listing.refresh();
    await readings(2);
    answer([listed({ name: 'web', pmId: 3 })]);
    await asked;
    assert.ok(fleet.get(3));
  });

  it('is told of in order: who is gone, then what has changed, then that it was read', async () => {
    const { listing, readings, answer, told } = pm2();
    for (const list of [[listed({ name: 'web', pmId: 0 })], [listed({ name: 'web', pmId: 0, pid: 2000 })]]) {
      const asked = listing.refresh();
      await readings(told.length === 0 ? 1 : 2);
      answer(list);
      await asked;
    }
    assert.deepEqual(told, ['+1000', 'listed', 'exited 1000', '+2000 -1000', 'listed']);
  });

  it("is read every now and then, since PM2's bus may miss an event, until the module ends", async (context) => {
    context.mock.timers.enable({ apis: ['setInterval'] });
    const { listing, readings, answer } = pm2();
    listing.start();
    listing.start();
    for (let reading = 1; reading <= 3; reading++) {
      context.mock.timers.tick(30_000);
      await readings(reading);
      answer([]);
    }
    listing.stop();
    context.mock.timers.tick(300_000);
    await aMoment();
    assert.equal(await readings(3), 3);
  });
});

/** Whatever was to begin at once has begun. */
function aMoment(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The listing of a PM2 whose list comes when the test says so. */
function pm2() {
  const fleet = createFleet(() => true);
  const logged: string[] = [];
  const told: string[] = [];
  const log = (line: string) => void logged.push(line);
  const events = createEvents(log);
  let count = 0;
  let settle: (answer: ManagedProcess[] | Error) => void = () => assert.fail('nobody reads the list');
  const list = () => {
    count++;
    return new Promise<ManagedProcess[]>((resolve, reject) => {
      settle = (answer) => (answer instanceof Error ? reject(answer) : resolve(answer));
    });
  };
  const listing = createListing({ daemon: { list }, fleet, events, log });
  events.on('exited', ({ process }) => void told.push(`exited ${process.pid}`));
  events.on('listed', () => void told.push('listed'));
  listing.onChanges(({ added, removed }) => {
    const changes = [
      ...added.map(({ process }) => `+${process.pid}`),
      ...removed.map(({ process }) => `-${process.pid}`),
    ];
    told.push(changes.join(' '));
  });
  return {
    fleet,
    listing,
    logged,
    told,
    answer: (answer: ManagedProcess[] | Error) => settle(answer),
    /** Waits for so many readings. @returns how many there are then */
    async readings(atLeast: number): Promise<number> {
      await waitFor(() => count >= atLeast, { what: `${atLeast} readings`, everyMs: 1 });
      return count;
    },
  };
}
