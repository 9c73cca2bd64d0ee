// Does a process run under a pid? Who has to know that it is still the same process asks `isAlive` of proc.ts, with its start time.
import { readStat } from './proc.ts';

/** A later process with the same pid counts; a zombie does not, because it serves nobody and ends by itself. */
export function isRunning(pid: number): boolean {
  return readStat(pid) !== null;
}
