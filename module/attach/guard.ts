// The guard: a small process beside the module while it attaches. It is told which process is about to be signalled and
// does nothing else, until its pipe to the module ends. If anyone is owed a close then, the module has died in between:
// the guard closes those inspectors and ends.
//
// Told on standard input, a line each: `owe <debt as JSON>`, `paid <pid>`.

import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pursuit } from './closing.ts';
import { workerDebts } from './clusterWorkers.ts';
import { type Debt, readJournal, same } from './journal.ts';
import { acquireLock } from './lock.ts';

/** How often it looks, in milliseconds: at first, and for an app whose event loop is blocked for long. */
const POLL_MS = 10;
const SLOW_POLL_MS = 250;
const SLOW_AFTER_MS = 5000;
const CLOSE_MS = 1000;
const LOCK_MS = 2000;
/** Whoever is blocked longer than this is left to the module's successor and its journal. */
const GIVE_UP_MS = 10 * 60_000;

const [journalPath = ''] = process.argv.slice(2);
const owed = new Map<number, Debt>();

// PM2 signals the module's whole family when it stops it: that is the moment the guard is for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});
// Whoever read our readiness may be gone.
process.stdout.on('error', () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [word = '', rest = ''] = line.split(/ (.*)/s);
  if (word === 'owe') {
    const debt = JSON.parse(rest) as Debt;
    owed.set(debt.pid, debt);
  } else if (word === 'paid') owed.delete(Number(rest));
});
process.stdin.on('error', () => lines.close());
lines.on('close', () => {
  Promise.all([...owed.values()].map(pursueFamily)).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
process.stdout.write('ready\n');

/** Workers of a cluster that were forked in the moment of the signal may have got it from their primary. */
async function pursueFamily(debt: Debt): Promise<void> {
  await pursue(debt);
  await Promise.all(workerDebts(debt.pid).map(pursue));
}

/** Closes one inspector as soon as it is there to be closed, and only while no module on this host attaches. */
async function pursue(debt: Debt): Promise<void> {
  const pursuit = new Pursuit(debt);
  const began = performance.now();
  while (!pursuit.isOver()) {
    const elapsedMs = performance.now() - began;
    if (elapsedMs > GIVE_UP_MS) return;
    if (pursuit.find()) {
      const lock = await acquireLock(LOCK_MS);
      try {
        if (lock && (await pursuit.close(CLOSE_MS))) return;
      } finally {
        await lock?.release();
      }
    }
    const slow = elapsedMs > SLOW_AFTER_MS;
    // Its successor may have settled it.
    if (slow && !readJournal(journalPath).owed.some((other) => same(other, debt))) return;
    await sleep(slow ? SLOW_POLL_MS : POLL_MS);
  }
}
