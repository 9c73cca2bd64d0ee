// What a process wrote before it ended: the reason why it did not come up. Heard on PM2's bus, because what an uncaught
// exception prints does not always reach the log file before PM2 ends the process (lib/ProcessContainer.js).
import type { PmId } from '../daemon/daemon.ts';

/** Lines kept of each process. */
const LINES = 15;

/** What Node writes when an agent is attached: not the app's. */
const NOT_THE_APPS =
  /^(Debugger (listening on|attached|ending)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger)/;

export class LastWords {
  readonly #lines = new Map<PmId, string[]>();

  heard(pmId: PmId, text: unknown): void {
    const lines = String(text)
      .split('\n')
      .filter((line) => line.trim() !== '' && !NOT_THE_APPS.test(line));
    if (lines.length > 0) this.#lines.set(pmId, [...(this.#lines.get(pmId) ?? []), ...lines].slice(-LINES));
  }

  /** A new life begins under that id. */
  forget(pmId: PmId): void {
    this.#lines.delete(pmId);
  }

  of(pmId: PmId): string[] {
    return this.#lines.get(pmId) ?? [];
  }
}
