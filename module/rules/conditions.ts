// Is a condition met? Pure: a value at a time goes in, and whether something begins or is over comes out.
import type { Threshold } from '../../contract/rules.ts';

/** How a condition stands for one subject. */
export interface Standing {
  /** Since when the value has been above, without a gap. */
  aboveSince?: number;
  /** Since when the condition is met. */
  firingSince?: number;
  /** When the last value came. */
  lastAt?: number;
}

export type Change = 'begins' | 'is-over' | undefined;

/** After a longer pause between two values nobody knows what was between them: the host slept, or the agent was away. */
const GAP_MS = 60_000;

/** @returns how it stands with this value, and what that changes */
export function judge(before: Standing, value: number, at: number, threshold: Threshold): [Standing, Change] {
  const { above, below, forMs } = threshold;
  if (before.firingSince !== undefined) {
    if (value < below) return [{ lastAt: at }, 'is-over'];
    return [{ ...before, lastAt: at }, undefined];
  }
  if (value <= above) return [{ lastAt: at }, undefined];
  const isGap = before.lastAt !== undefined && at - before.lastAt > GAP_MS;
  const aboveSince = isGap ? at : (before.aboveSince ?? at);
  if (at - aboveSince < forMs) return [{ aboveSince, lastAt: at }, undefined];
  return [{ aboveSince, firingSince: at, lastAt: at }, 'begins'];
}
