// The guard: a small process beside the module while it attaches. The module tells it which process it is about to signal. The
// guard waits until its pipe from the module ends. If a close is pending then, the module has died in between: the guard closes
// those inspectors and exits.
//
// The module writes lines to its standard input: `pending <pending close as JSON>`, `closed <pid>`.

import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { CloseWatch } from './closing.ts';
import { type PendingClose, pendingOfWorkers, readPending, same } from './journal.ts';
import { acquireLock } from './lock.ts';

/** How often the guard looks for an inspector to close: at first, and later, if the app's event loop stays blocked. */
const POLL_MS = 10;
const SLOW_POLL_MS = 250;
const SLOW_AFTER_MS = 5000;
const CLOSE_MS = 1000;
const LOCK_MS = 2000;
/** The guard leaves a process that is blocked for longer to the module's successor, which reads the journal. */
const GIVE_UP_MS = 10 * 60_000;

const [journalPath = ''] = process.argv.slice(2);
const pendingByPid = new Map<number, PendingClose>();

// PM2 also signals the module's children when it stops the module, which is when the guard has to work.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => {});
// The module that reads "ready" may be gone.
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

/** A primary may have passed the signal on to workers that it forked at that moment, so their inspectors are closed, too. */
async function closeFamily(pending: PendingClose): Promise<void> {
  await closeWhenOpen(pending);
  await Promise.all(pendingOfWorkers(pending.pid).map(closeWhenOpen));
}

/** Closes one inspector as soon as it opens, while no module on this host attaches. */
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
    // The journal tells whether the module's successor has closed it.
    if (isSlow && !readPending(journalPath).some((other) => same(other, pending))) return;
    await sleep(isSlow ? SLOW_POLL_MS : POLL_MS);
  }
}
