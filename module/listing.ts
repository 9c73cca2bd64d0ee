// Reads PM2's list after events, and from time to time, because PM2's bus may lose an event. It reads once at a time, because the
// daemon measures every process for a list.
import { type Events, subjectOf } from './events/events.ts';
import type { Fleet, Member } from './fleet/fleet.ts';
import type { Daemon } from './pm2/daemon.ts';

/** Pause between two readings without an event. */
const LIST_EVERY_MS = 30_000;

/** What has changed since the reading before. */
export interface Changes {
  added: readonly Member[];
  removed: readonly Member[];
}

export interface Listing {
  /** Reads the list; resolves when the fleet is up to date. Calls during a reading share the next one. */
  refresh(): Promise<void>;
  /** Reads the list after a pause, because one change often causes several events. */
  refreshSoon(afterMs: number): void;
  /** Acts on each reading, after its `exited` events and before its `listed`. */
  onChanges(listener: (changes: Changes) => void): void;
  /** Starts to read from time to time. */
  start(): void;
  stop(): void;
}

interface Parts {
  daemon: Pick<Daemon, 'list'>;
  fleet: Fleet;
  events: Events;
  log(line: string): void;
}

export function createListing({ daemon, fleet, events, log }: Parts): Listing {
  const listeners: ((changes: Changes) => void)[] = [];
  /** The reading that runs, and the one that begins after it. */
  let current: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  let soon: NodeJS.Timeout | undefined;
  let regularly: NodeJS.Timeout | undefined;

  return {
    refresh,
    refreshSoon(afterMs) {
      soon ??= setTimeout(() => {
        soon = undefined;
        void refresh();
      }, afterMs);
    },
    onChanges: (listener) => listeners.push(listener),
    start() {
      regularly ??= setInterval(() => void refresh(), LIST_EVERY_MS);
    },
    stop() {
      clearInterval(regularly);
      clearTimeout(soon);
    },
  };

  function refresh(): Promise<void> {
    next ??= (current ?? Promise.resolve()).then(() => {
      current = next;
      next = undefined;
      return readList();
    });
    return next;
  }

  async function readList(): Promise<void> {
    try {
      const changes = fleet.sync(await daemon.list());
      for (const member of changes.removed) events.emit('exited', { process: subjectOf(member.process) });
      for (const listener of listeners) listener(changes);
      events.emit('listed', { added: changes.added.length, removed: changes.removed.length });
    } catch (error) {
      log(`PM2's list could not be read: ${(error as Error).message}`);
    }
  }
}
