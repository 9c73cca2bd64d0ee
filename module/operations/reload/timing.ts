// How long the steps of a reload run may take, and with that the whole run.
import type { Member } from '../../fleet/fleet.ts';
import type { ReloadParams } from './reloadParams.ts';

/** Pause between two looks. */
export const LOOK_EVERY_MS = 150;
/** What an agent may need on top of a drain's own budget. */
export const AGENT_MARGIN_MS = 6_000;
/** How long an agent may take for what it does at once. */
export const AT_ONCE_MS = 5_000;
/** How long another reload of PM2 may take to finish before this one refuses. */
export const OTHERS_END_WITHIN_MS = 5_000;
/** For how long a run asks again for a drain that a saturated app is too slow to begin. */
export const DRAIN_BEGINS_WITHIN_MS = 15_000;

/** The longest time that a timer of Node takes. */
const LONGEST_TIMER_MS = 2 ** 31 - 1 - 60_000;

/** The latest moment, counted from its begin, at which a reload of these instances has its answer. */
export function deadlineMsOf({ drain, timeout, settle, patient }: ReloadParams, members: readonly Member[]): number {
  const killTimeoutMs = Math.max(...members.map(({ process: listed }) => listed.killTimeoutMs));
  const oneMs = DRAIN_BEGINS_WITHIN_MS + drain + AGENT_MARGIN_MS + killTimeoutMs + timeout;
  const allMs = OTHERS_END_WITHIN_MS + settle + patient + (2 * members.length + 2) * oneMs;
  return Math.min(allMs, LONGEST_TIMER_MS);
}
