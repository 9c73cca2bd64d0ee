// How the time between the signal to leave and SIGKILL is shared out.

import { marginMs, PM2_KILL_TIMEOUT_MS } from '../drain/budget.ts';

/** What `docker stop` gives a container, in milliseconds. systemd gives more. */
const DOCKER_GRACE_MS = 10_000;

/** The time from the signal to SIGKILL in milliseconds: PM2 puts an app's options into its environment. */
export function killTimeoutFrom(env: NodeJS.ProcessEnv): number {
  const configured = Number(env.kill_timeout);
  if (configured > 0) return configured;
  return env.pm_id === undefined ? DOCKER_GRACE_MS : PM2_KILL_TIMEOUT_MS;
}

/** What the drain may use, what all may use together, and when the process is gone whatever happens; in milliseconds after
 * the signal. */
export interface LeaveTimes {
  drainMs: number;
  closeMs: number;
  exitMs: number;
}

/** Resources get a tenth of kill_timeout at least, between 100 ms and 2 s, and whatever the drain leaves. */
export function leaveTimes(killTimeoutMs: number, hasResources: boolean): LeaveTimes {
  const closeMs = killTimeoutMs - marginMs(killTimeoutMs);
  const reservedMs = hasResources ? Math.min(2_000, Math.max(100, killTimeoutMs / 10), closeMs / 2) : 0;
  return { drainMs: closeMs - reservedMs, closeMs, exitMs: killTimeoutMs - marginMs(killTimeoutMs) / 2 };
}
