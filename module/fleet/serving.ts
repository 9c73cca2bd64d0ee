// Tells whether an instance takes requests, and how certain that is: PM2's `online` says little, its agent knows, and some
// processes have no agent.
import { holdsClients } from '../../shared/linux/sockets.ts';
import type { Member } from './fleet.ts';

/**
 * - `said`: its agent says that it serves;
 * - `presumed`: it never gets an agent, and PM2 says that it is online;
 * - `silent`: its agent has not told yet, and nothing shows that the process is just starting;
 * - `starting`: it boots, or waits for its turn to be attached;
 * - `no`.
 */
export type Serving = 'said' | 'presumed' | 'silent' | 'starting' | 'no';

/** The codes of an instance that waits for its agent because it may not serve yet. */
const STARTING_CODES: ReadonlySet<string> = new Set(['new', 'booting', 'reloading']);

/** Does an instance serve? An instance that a reload of PM2 is about to end does not count, and neither does a wrapper. */
export function servingOf({ process: { status, pmId }, attachment, state, wrapper }: Member): Serving {
  if (status !== 'online' || typeof pmId !== 'number' || wrapper) return 'no';
  if (attachment.is === 'waiting' && STARTING_CODES.has(attachment.code)) return 'starting';
  if (state === 'serving') return 'said';
  if (state !== 'unknown') return 'no';
  return attachment.is === 'skipped' ? 'presumed' : 'silent';
}

/** Does its agent say that it serves? Only then may another instance be taken out of service. */
export function saysItServes(member: Member): boolean {
  return servingOf(member) === 'said';
}

/** Is the instance believed to serve? Its agent says so, or it never gets an agent. */
export function isBelievedToServe(member: Member): boolean {
  return ['said', 'presumed'].includes(servingOf(member));
}

/** Does nothing show that it does not serve? A slow agent is no reason to refuse a drain that a person asks for. */
export function mayServe(member: Member): boolean {
  return ['said', 'presumed', 'silent'].includes(servingOf(member));
}

/**
 * It has come up: it serves, or has nothing to serve with, like its whole app.
 * @param appServes do instances of its app serve?
 */
export function hasComeUp(member: Member, appServes: boolean): boolean {
  const { process: listed, state } = member;
  return isBelievedToServe(member) || (!appServes && listed.status === 'online' && state === 'no-server');
}

/**
 * It serves clients all the time: its agent finds no idle moment to come, and so cannot say so. A process that is busy without
 * clients may still boot, on a slow machine.
 */
export function isBusyServing({ process: listed, attachment }: Member): boolean {
  return attachment.is === 'waiting' && attachment.code === 'busy' && holdsClients(listed.pid);
}
