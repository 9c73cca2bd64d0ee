// Tells whether a process runs under a pid. To know that it is still the same process, use `isAlive` of proc.ts.
import { readStat } from './proc.ts';

/** A later process with the same pid counts; a zombie does not, because it does no work any more. */
export function isRunning(pid: number): boolean {
  return readStat(pid) !== null;
}
