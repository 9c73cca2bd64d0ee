// How the time from the signal to SIGKILL is used: the drain's budget, and a margin for getting out.

/** How long the last line of a log may take to be written; part of the margin. */
export const LAST_WRITE_MS = 50;

/** What is kept of kill_timeout for getting out: a tenth, between 100 and 500 ms, at most half. */
function marginMs(killTimeoutMs: number): number {
  return Math.min(500, Math.max(100, killTimeoutMs / 10), killTimeoutMs / 2);
}

/** What the drain, and all that follows it, may use of kill_timeout. */
export function budgetMsOf(killTimeoutMs: number): number {
  return killTimeoutMs - marginMs(killTimeoutMs);
}

/** When the process exits at the latest, whatever has become of the drain: before SIGKILL comes. */
export function exitDeadlineMs(killTimeoutMs: number): number {
  return killTimeoutMs - marginMs(killTimeoutMs) / 2;
}

/** A kill_timeout to try where requests did not fit. How much longer they would have taken cannot be known: it is twice the
 * time, and the next drain's log line says whether that was enough. */
export function suggestedKillTimeoutMs(killTimeoutMs: number): number {
  return Math.max(2_000, Math.ceil((killTimeoutMs * 2) / 1_000) * 1_000);
}
