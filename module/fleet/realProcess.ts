// Which process does the work of one that PM2 manages, with what the module knows of it besides /proc.
import { type RealProcess, realProcessOf } from '../../shared/realProcess.ts';
import type { Member } from './fleet.ts';

/** @returns null when it does its work itself, as far as its agent and /proc tell */
export function realProcessOfMember({ process: { pid }, state }: Member): RealProcess | null {
  return pid > 0 ? realProcessOf(pid, state !== 'no-server' && state !== 'unknown') : null;
}
