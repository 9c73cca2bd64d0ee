// The module's log lines about attaching: one for each reason, and not for each try.
import { titleOf } from '../../contract/app.ts';
import type { Member } from '../fleet/fleet.ts';

/** Codes of processes that wait as expected, which is not worth a line. */
const QUIET_CODES: ReadonlySet<string> = new Set(['booting', 'reloading']);

/**
 * @param said the last line about that process
 * @returns the line to log now; undefined if there is nothing new
 */
export function lineOn({ process: listed, attachment }: Member, said = ''): string | undefined {
  const who = `${titleOf(listed)} (id ${listed.pmId}, pid ${listed.pid})`;
  const line = attachment.is === 'attached' ? `attached to ${who}` : `${attachment.is} ${who}: ${attachment.reason}`;
  const isQuiet = attachment.is === 'waiting' && QUIET_CODES.has(attachment.code);
  return line === said || isQuiet ? undefined : line;
}
