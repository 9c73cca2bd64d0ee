// PM2's `kill_timeout`: the time from a process's signal to its SIGKILL. PM2 lists it, and puts it into the process's environment.

/** PM2's default (constants.js, KILL_TIMEOUT). */
export const PM2_KILL_TIMEOUT_MS = 1_600;

/** Reads a `kill_timeout` as PM2 gives it; undefined if none is set. */
export function killTimeoutMsFrom(configured: unknown): number | undefined {
  const ms = Number(configured);
  return ms > 0 ? ms : undefined;
}
