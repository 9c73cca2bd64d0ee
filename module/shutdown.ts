// Ends the module when PM2 stops it or is gone: running reloads are undone first, and open inspectors are closed.
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a reload may take to undo what it has begun; the rest of the module's kill_timeout is for the attach loop. */
const PUTS_BACK_WITHIN_MS = 3_000;

interface Parts {
  /** Stops everything that runs by a timer. */
  stopTimers(): void;
  /** Ends the tries to deliver alerts; what is not delivered is on the disk. */
  closeAlerts(): void;
  /** Ends the reloads; resolves when each has undone what it had begun. */
  endReloads(): Promise<void>;
  /** Lets go of the sockets that the module holds. A reload may need them until it is undone. */
  closeDoors(): void;
  /** Ends attaching; resolves when no inspector stays open in any process. */
  endAttaching(): Promise<void>;
}

/** Ends the process in order on a signal, on PM2's `shutdown` message, and when the daemon is gone. */
export function endInOrder({ stopTimers, closeAlerts, endReloads, closeDoors, endAttaching }: Parts): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end());
  process.once('disconnect', () => void end());
  process.on('message', (message) => {
    if (message === 'shutdown') void end();
  });

  async function end(): Promise<void> {
    stopTimers();
    closeAlerts();
    await Promise.race([endReloads(), sleep(PUTS_BACK_WITHIN_MS)]);
    closeDoors();
    await endAttaching();
    process.exit(0);
  }
}
