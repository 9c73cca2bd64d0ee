// Does an instance take requests? One answer with its certainty: PM2's word that a process is online says little, its agent's
// word says all, and some processes have no agent.
import { holdsClients } from '../../shared/linux/sockets.ts';
import type { Member } from './fleet.ts';

/**
 * - `said`: its agent says that it serves;
 * - `presumed`: it never gets an agent, and PM2 says that it is online;
 * - `silent`: an agent will tell, and has not yet; the process is not known to be just starting;
 * - `starting`: it boots, or waits for its turn to be attached to;
 * - `no`.
 */
export type Serving = 'said' | 'presumed' | 'silent' | 'starting' | 'no';

/** Why an instance that may not serve yet waits for its agent. */
const STARTING_CODES: ReadonlySet<string> = new Set(['new', 'booting', 'reloading']);

/** What is known of an instance's serving. What a reload of PM2 is about to end does not count, nor does a wrapper. */
export function servingOf({ process: { status, pmId }, attachment, state, wrapper }: Member): Serving {
  if (status !== 'online' || typeof pmId !== 'number' || wrapper) return 'no';
  if (attachment.is === 'waiting' && STARTING_CODES.has(attachment.code)) return 'starting';
  if (state === 'serving') return 'said';
  if (state !== 'unknown') return 'no';
  return attachment.is === 'skipped' ? 'presumed' : 'silent';
}

/** It said so itself: what another instance is taken out for. */
export function saysItServes(member: Member): boolean {
  return servingOf(member) === 'said';
}

/** Clients are believed to be served: it says so, or never gets an agent that could. */
export function isBelievedToServe(member: Member): boolean {
  return ['said', 'presumed'].includes(servingOf(member));
}

/** Nothing speaks against it: a person who asks for a drain is not refused because an agent is slow. */
export function mayServe(member: Member): boolean {
  return ['said', 'presumed', 'silent'].includes(servingOf(member));
}

/**
 * It has come up: it serves, or has nothing to serve with, like its whole app.
 * @param appServes do instances of its app serve?
 */
export function hasComeUp(member: Member, appServes: boolean): boolean {
  const { process, state } = member;
  return isBelievedToServe(member) || (!appServes && process.status === 'online' && state === 'no-server');
}

/**
 * It serves clients all the time: its agent finds no idle moment to come, and so cannot say so. A process that is busy without
 * clients may still boot, on a slow machine.
 */
export function isBusyServing({ process, attachment }: Member): boolean {
  return attachment.is === 'waiting' && attachment.code === 'busy' && holdsClients(process.pid);
}
