// How the time between the signal and SIGKILL is shared out.

import { killTimeoutMsFrom, PM2_KILL_TIMEOUT_MS } from '../contract/killTimeout.ts';
import { budgetMsOf, exitDeadlineMs } from '../drain/budget.ts';

/** What `docker stop` gives a container. systemd gives more. */
const DOCKER_GRACE_MS = 10_000;

/** The time from the signal to SIGKILL in milliseconds: PM2 puts an app's options into its environment. */
export function killTimeoutFrom(env: NodeJS.ProcessEnv): number {
  const configured = killTimeoutMsFrom(env.kill_timeout);
  if (configured !== undefined) return configured;
  return env.pm_id === undefined ? DOCKER_GRACE_MS : PM2_KILL_TIMEOUT_MS;
}

/** Counted from the signal. */
export interface ExitTimes {
  /** What the drain may use. */
  drainMs: number;
  /** What the drain and the closing of the resources may use together. */
  closeMs: number;
  /** When the process is gone, whatever happens. */
  exitMs: number;
}

/** Resources get a tenth of kill_timeout at least, between 100 ms and 2 s, and what the drain does not use. */
export function exitTimes(killTimeoutMs: number, hasResources: boolean): ExitTimes {
  const closeMs = budgetMsOf(killTimeoutMs);
  const reservedMs = hasResources ? Math.min(2_000, Math.max(100, killTimeoutMs / 10), closeMs / 2) : 0;
  return { drainMs: closeMs - reservedMs, closeMs, exitMs: exitDeadlineMs(killTimeoutMs) };
}
