// What every action replies.
import type { Failure } from './errors.ts';

/** The part that every successful reply has; the fields of its action stand beside it. */
export interface Success {
  ok: true;
  action: string;
  pid: number;
  /** How long the action took. */
  ms: number;
  [field: string]: unknown;
}

export type Reply = Success | Failure;
