// When PM2 stops the module, or is gone itself, a reload that runs puts things back first, and open inspectors are closed.
import { setTimeout as sleep } from 'node:timers/promises';

/** How long a reload may take to put things back; the rest of the module's kill_timeout is for the attach loop. */
const PUTS_BACK_WITHIN_MS = 3_000;

interface Parts {
  /** Stops what runs by a timer. */
  stopTimers(): void;
  /** Ends the reloads; settles when each has put things back. */
  endReloads(): Promise<void>;
  /** Ends the attaching; settles when nothing of it stays behind in any process. */
  endAttaching(): Promise<void>;
}

/** Ends the process in order at a signal, at PM2's `shutdown` message, and when the daemon is gone, which starts it anew. */
export function endInOrder({ stopTimers, endReloads, endAttaching }: Parts): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end());
  process.once('disconnect', () => void end());
  process.on('message', (message) => {
    if (message === 'shutdown') void end();
  });

  async function end(): Promise<void> {
    stopTimers();
    await Promise.race([endReloads(), sleep(PUTS_BACK_WITHIN_MS)]);
    await endAttaching();
    process.exit(0);
  }
}
