// How the module stands to a process: attached, on the way to it, or leaving it alone.
import type { Member } from './fleet.ts';

/** Did its agent answer, and is it of this version? */
export function isAttached({ attachment }: Member): boolean {
  return attachment.is === 'attached';
}

/** May it still become attached by itself? A shell that starts the app by `exec` becomes Node under the same pid. */
export function isOpen({ attachment }: Member): boolean {
  return attachment.is === 'waiting' || (attachment.is === 'skipped' && attachment.code === 'not-node');
}

/** Not attached yet; the module tries again by itself. */
export function wait(member: Member, code: string, reason: string): void {
  member.attachment = { is: 'waiting', code, reason };
}

/** Left alone, for good or until it restarts. */
export function skip(member: Member, code: string, reason: string): void {
  member.attachment = { is: 'skipped', code, reason };
}
