// What a process wrote before it ended: the reason why it did not come up. Heard on PM2's bus, because what an uncaught
// exception prints does not always reach the log file before PM2 ends the process (lib/ProcessContainer.js).
import { stripVTControlCharacters } from 'node:util';
import { redactLines } from '../../../shared/text/redact.ts';
import type { PmId } from '../../pm2/daemon.ts';

/** Lines kept of each life of a process. */
const LINES = 15;

/** Characters looked at of what was written at once. */
const LONGEST = 100_000;

/** What Node writes when an agent is attached: not the app's. */
const NOT_THE_APPS =
  /^(Debugger (listening on|attached|ending)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger)/;

export class LastWords {
  /** Of the life that runs, and of the last one that ended and had something to say. */
  readonly #current = new Map<PmId, string[]>();
  readonly #ended = new Map<PmId, string[]>();

  heard(pmId: PmId, text: unknown): void {
    // What an app puts there itself may be anything.
    const lines = (typeof text === 'string' ? text.slice(-LONGEST) : '')
      .split('\n')
      .filter((line) => line.trim() !== '' && !NOT_THE_APPS.test(line));
    if (lines.length > 0) this.#current.set(pmId, [...(this.#current.get(pmId) ?? []), ...lines].slice(-LINES));
  }

  /** The process ended; PM2 may start another one under its id. */
  ended(pmId: PmId): void {
    const lines = this.#current.get(pmId);
    if (lines) this.#ended.set(pmId, lines);
    this.#current.delete(pmId);
  }

  /** Nobody asks for what was said up to now. */
  forget(pmId: PmId): void {
    this.#current.delete(pmId);
    this.#ended.delete(pmId);
  }

  /**
   * Without colours and without what looks like a secret: whoever deploys may see less than the app knows.
   * @param died the process ended: what the one before said counts, not what its successor begins to say
   */
  of(pmId: PmId, died: boolean): string[] {
    const lives = [this.#current.get(pmId), this.#ended.get(pmId)];
    const lines = (died ? lives.reverse() : lives).find((each) => each !== undefined) ?? [];
    return redactLines(lines.map(stripVTControlCharacters)).filter((line) => line.trim() !== '');
  }
}
