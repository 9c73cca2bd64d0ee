// Finds the process that does the work of a managed one, with what its agent says besides /proc.
import { type RealProcess, realProcessOf } from '../../shared/realProcess.ts';
import type { Member } from './fleet.ts';

/** @returns null if the process does its work itself, as far as its agent and /proc tell */
export function realProcessOfMember({ process: { pid }, state }: Member): RealProcess | null {
  return pid > 0 ? realProcessOf(pid, state !== 'no-server' && state !== 'unknown') : null;
}
