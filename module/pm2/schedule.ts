// Reads a schedule as PM2 does, with PM2's own library for it.
import { createRequire } from 'node:module';

type Cron = (pattern: string) => { next(from: Date): Date | null | undefined };

/** PM2 is as late as its event loop. */
const LATE_MS = 2_000;

/**
 * @param pm2File a file of PM2's, as for `loadPm2`
 * @returns whether a schedule, as `cron_restart` has it, was due at a moment in milliseconds of Date.now(), or a little earlier
 */
export function scheduleReader(pm2File: string): (schedule: string, moment: number) => boolean {
  let cron: Cron | undefined;
  return (schedule, moment) => {
    try {
      cron ??= createRequire(pm2File)('croner') as Cron;
      const next = cron(schedule).next(new Date(moment - LATE_MS));
      return next instanceof Date && next.getTime() <= moment + 50;
    } catch {
      return false;
    }
  };
}
