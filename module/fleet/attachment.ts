// Whether the module is attached to a process, still tries, or leaves it alone.
import type { Member } from './fleet.ts';

/** Has an agent of this version answered? */
export function isAttached({ attachment }: Member): boolean {
  return attachment.is === 'attached';
}

/** May the process still become attached by itself? A shell that starts the app by `exec` becomes Node under the same pid. */
export function isOpen({ attachment }: Member): boolean {
  return attachment.is === 'waiting' || (attachment.is === 'skipped' && attachment.code === 'not-node');
}

/** Records why a process is not attached yet; the module tries again. */
export function wait(member: Member, code: string, reason: string): void {
  member.attachment = { is: 'waiting', code, reason };
}

/** Records why the module leaves a process alone, for good or until it restarts. */
export function skip(member: Member, code: string, reason: string): void {
  member.attachment = { is: 'skipped', code, reason };
}
