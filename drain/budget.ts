// Divides the time from the signal to SIGKILL: a budget for the drain, and a margin for the exit.

/** How long writing the last log line may take; part of the margin. */
export const LAST_WRITE_MS = 50;

/** The part of kill_timeout that is kept for the exit: a tenth, between 100 and 500 ms, but at most half. */
function marginMs(killTimeoutMs: number): number {
  return Math.min(500, Math.max(100, killTimeoutMs / 10), killTimeoutMs / 2);
}

/** The part of kill_timeout that the drain, and all that follows it, may use. */
export function budgetMsOf(killTimeoutMs: number): number {
  return killTimeoutMs - marginMs(killTimeoutMs);
}

/** When the process exits even if its drain is not over: before SIGKILL comes. */
export function exitDeadlineMs(killTimeoutMs: number): number {
  return killTimeoutMs - marginMs(killTimeoutMs) / 2;
}

/** A kill_timeout to try after a drain that has cut requests. Nothing tells how long they would have taken, so it is twice the
 * time; the next drain's log line says whether that is enough. */
export function suggestedKillTimeoutMs(killTimeoutMs: number): number {
  return Math.max(2_000, Math.ceil((killTimeoutMs * 2) / 1_000) * 1_000);
}
