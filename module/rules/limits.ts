// How often something may be done in a sliding window. The times are kept in a file, so that "once a day" outlives the module.
import type { Limit } from '../../contract/rules.ts';

/** Longer windows than a rule can have. */
const LONGEST_MS = 31 * 86_400_000;

/**
 * When is the next time allowed?
 * @param times when it was done, by Date.now(), oldest first
 * @returns undefined: now; else by Date.now()
 */
export function limitedUntil(times: readonly number[], now: number, { times: most, inMs }: Limit): number | undefined {
  // Where the clock was set back, a time in the future counts as now.
  const inWindow = times.map((at) => Math.min(at, now)).filter((at) => at > now - inMs);
  const deciding = inWindow.at(-most);
  return deciding === undefined ? undefined : deciding + inMs;
}

/** Forgets times that no window reaches back to, and keeps as many as a window may count. */
export function forgetOld(times: readonly number[], now: number, { times: most, inMs }: Limit): number[] {
  return times.filter((at) => at > now - Math.min(inMs, LONGEST_MS)).slice(-most);
}
