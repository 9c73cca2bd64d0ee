// The guard: a small process beside the module while it attaches. The module tells it which process is about to be signalled;
// it waits until its pipe to the module ends. Where a close is pending then, the module has died in between: the guard closes
// those inspectors and ends.
//
// Told on standard input, a line each: `pending <pending close as JSON>`, `closed <pid>`.

import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloseWatch } from './closing.ts';
import { type PendingClose, pendingOfWorkers, readPending, same } from './journal.ts';
import { acquireLock } from './lock.ts';

/** How often it looks: at first, and for an app whose event loop is blocked for long. */
const POLL_MS = 10;
const SLOW_POLL_MS = 250;
const SLOW_AFTER_MS = 5000;
const CLOSE_MS = 1000;
const LOCK_MS = 2000;
/** A process that is blocked for longer is left to the module's successor and its journal. */
const GIVE_UP_MS = 10 * 60_000;

const [journalPath = ''] = process.argv.slice(2);
const pendingByPid = new Map<number, PendingClose>();

// PM2 signals the module's whole family when it stops it: that is the moment the guard is for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});
// The module that was to read "ready" may be gone.
process.stdout.on('error', () => {});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const [word = '', rest = ''] = line.split(/ (.*)/s);
  if (word === 'pending') {
    const pending = JSON.parse(rest) as PendingClose;
    pendingByPid.set(pending.pid, pending);
  } else if (word === 'closed') pendingByPid.delete(Number(rest));
});
process.stdin.on('error', () => lines.close());
lines.on('close', () => {
  Promise.all([...pendingByPid.values()].map(closeFamily)).then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
process.stdout.write('ready\n');

/** Workers of a cluster that were forked in the moment of the signal may have got it from their primary. */
async function closeFamily(pending: PendingClose): Promise<void> {
  await closeWhenOpen(pending);
  await Promise.all(pendingOfWorkers(pending.pid).map(closeWhenOpen));
}

/** Closes one inspector as soon as it is there to be closed, and only while no module on this host attaches. */
async function closeWhenOpen(pending: PendingClose): Promise<void> {
  const watch = new CloseWatch(pending);
  const beganMs = performance.now();
  while (!watch.isOver()) {
    const elapsedMs = performance.now() - beganMs;
    if (elapsedMs > GIVE_UP_MS) return;
    if (watch.find()) {
      const lock = await acquireLock(LOCK_MS);
      try {
        if (lock && (await watch.close(CLOSE_MS))) return;
      } finally {
        await lock?.release();
      }
    }
    const isSlow = elapsedMs > SLOW_AFTER_MS;
    // The module's successor may have closed it.
    if (isSlow && !readPending(journalPath).some((other) => same(other, pending))) return;
    await sleep(isSlow ? SLOW_POLL_MS : POLL_MS);
  }
}
