// What a drain did, in the words of a log line.

import { suggestedKillTimeoutMs } from './budget.ts';
import type { DrainResult } from './types.ts';

/** How many of the cut requests the log line names. */
const LOGGED_REQUESTS = 5;

/**
 * `drained in 1440 ms: 12 finished, 3 closed, 1 cut (GET /export); they did not fit into kill_timeout 1600, try …`
 * @param ms how long the drain took
 */
export function summaryOf(result: DrainResult, ms: number, killTimeoutMs: number): string {
  const { finished, closed, cut } = result;
  const sum = `drained in ${Math.round(ms)} ms: ${finished} finished, ${closed} closed, ${cut} cut`;
  if (cut === 0) return sum;
  const named = requestLines(result).slice(0, LOGGED_REQUESTS);
  const more = cut - named.length;
  const which = [...named, ...(more > 0 ? [`${more} ${named.length > 0 ? 'more' : 'not identified'}`] : [])].join(', ');
  const suggested = suggestionFor(result, killTimeoutMs);
  const end =
    suggested === undefined
      ? `had not ended by themselves within kill_timeout ${killTimeoutMs}`
      : `did not fit into kill_timeout ${killTimeoutMs}, try kill_timeout ${suggested}`;
  return `${sum} (${which}); they ${end}`;
}

/** A kill_timeout to try if requests were cut. Tunnels and raw connections may last for days, so they suggest none. */
export function suggestionFor({ cut, cutOpaque = 0 }: DrainResult, killTimeoutMs: number): number | undefined {
  return cut > cutOpaque ? suggestedKillTimeoutMs(killTimeoutMs) : undefined;
}

/** `GET /path` of the cut requests that are known. */
export function requestLines({ cutRequests = [] }: DrainResult): string[] {
  return cutRequests.map(({ method, path }) => `${method} ${path}`);
}
