// The last lines that a process wrote before it ended: the reason why it did not come up. They are heard on PM2's bus, because
// the trace of an uncaught exception does not always reach the log file before PM2 ends the process (lib/ProcessContainer.js).
import type { PmId } from '../../../contract/pmId.ts';
import { appLines } from '../../../shared/text/appLines.ts';
import { redactLines } from '../../../shared/text/redact.ts';

/** Lines kept of each life of a process. */
const LINES = 15;

/** Of a single write only so many characters count. */
const LONGEST = 100_000;

/** The last lines of every process, by its id. */
export class LastLines {
  /** Lines of the life that runs, and of the last life that ended and wrote some. */
  readonly #current = new Map<PmId, string[]>();
  readonly #ended = new Map<PmId, string[]>();

  /** A process wrote something. */
  heard(pmId: PmId, text: unknown): void {
    // An app can put anything on the bus under that name.
    const lines = appLines(typeof text === 'string' ? text.slice(-LONGEST) : '');
    if (lines.length > 0) this.#current.set(pmId, [...(this.#current.get(pmId) ?? []), ...lines].slice(-LINES));
  }

  /** The process ended; PM2 may start another one under its id. */
  ended(pmId: PmId): void {
    const lines = this.#current.get(pmId);
    if (lines) this.#ended.set(pmId, lines);
    this.#current.delete(pmId);
  }

  /** The lines up to now are of no interest. */
  forget(pmId: PmId): void {
    this.#current.delete(pmId);
    this.#ended.delete(pmId);
  }

  /**
   * Lines without colours and without text that looks like a secret: a person who deploys may see less than the app knows.
   * @param died the process ended: its own lines count, not the first ones of its successor
   */
  of(pmId: PmId, died: boolean): string[] {
    const lives = [this.#current.get(pmId), this.#ended.get(pmId)];
    const lines = (died ? lives.reverse() : lives).find((each) => each !== undefined) ?? [];
    return redactLines(lines);
  }
}
