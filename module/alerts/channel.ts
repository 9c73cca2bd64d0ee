// What webhook and program have in common.
import type { Alert, AlertChannel, AlertOutcome } from '../../contract/alerts.ts';

/** What came of one try. */
export interface Attempt extends AlertOutcome {
  /** The other side has looked at this alert and did not want it: others go first from now on. */
  isRejected?: boolean;
  /** The other side has said when to try again. */
  retryAfterMs?: number;
}

export interface Channel {
  name: AlertChannel;
  /** Whereto, without secrets. */
  to: string;
  /** `deliver` settles within this time. */
  withinMs: number;
  /** Tries once. Never rejects. @param signal ends the try */
  deliver(alert: Alert, signal: AbortSignal): Promise<Attempt>;
  /** Why nothing can be delivered until somebody changes something; undefined if nothing is in the way. */
  refusal?(): string | undefined;
}
