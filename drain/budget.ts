// How the time between PM2's signal and its SIGKILL is used.

/** What PM2 gives a process that has no `kill_timeout`, in milliseconds. */
export const PM2_KILL_TIMEOUT_MS = 1_600;

/** What is kept of kill_timeout, in milliseconds, for getting out: a tenth, between 100 and 500 ms, at most half. */
export function marginMs(killTimeoutMs: number): number {
  return Math.min(500, Math.max(100, killTimeoutMs / 10), killTimeoutMs / 2);
}

/** A kill_timeout to try where requests did not fit, in milliseconds. How much longer they would have taken cannot be
 * known: twice the time, and the next line says whether it was enough. */
export function suggestedKillTimeoutMs(killTimeoutMs: number): number {
  return Math.max(2_000, Math.ceil((killTimeoutMs * 2) / 1_000) * 1_000);
}
