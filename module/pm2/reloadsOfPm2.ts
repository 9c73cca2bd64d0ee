// Which apps does PM2 itself reload right now? It replaces one instance after the other, and does not list the one that
// leaves: it is known here from the moment that another process has its id.
import type { App } from '../../contract/app.ts';

/** PM2 takes a moment between two instances: a reload is over when for so many milliseconds none was being replaced. */
const OVER_AFTER_MS = 400;
/** A reload that takes longer is not waited for, in milliseconds. */
const LONGEST_MS = 10_000;

export interface ReloadsOfPm2 {
  /** Another process has the id of this one, which still lives. @returns whether that is news */
  leaves(app: App, pid: number): boolean;
  /** Is another instance of this process's app being replaced, or was one a moment ago? Not for longer than 10 s at a time. */
  goesOnBeside(app: App, pid: number): boolean;
}

interface Reload {
  sinceMs: number;
  /** When an instance was last seen to leave, in milliseconds as `now` counts. */
  seenMs: number;
  leaving: Set<number>;
}

/**
 * @param isRunning does a process of that pid run?
 * @param now the time in milliseconds, from any beginning
 */
export function watchReloadsOfPm2(isRunning: (pid: number) => boolean, now = () => performance.now()): ReloadsOfPm2 {
  const reloads = new Map<App, Reload>();

  return {
    leaves(app, pid) {
      const { sinceMs = now(), leaving = new Set<number>() } = look(app) ?? {};
      const isNews = !leaving.has(pid);
      reloads.set(app, { sinceMs, seenMs: now(), leaving: leaving.add(pid) });
      return isNews;
    },
    goesOnBeside(app, pid) {
      const reload = look(app);
      return reload !== undefined && !reload.leaving.has(pid) && now() - reload.sinceMs < LONGEST_MS;
    },
  };

  /** Forgets it when it is over. */
  function look(app: App): Reload | undefined {
    const reload = reloads.get(app);
    if (!reload) return undefined;
    for (const pid of reload.leaving) if (!isRunning(pid)) reload.leaving.delete(pid);
    if (reload.leaving.size > 0) reload.seenMs = now();
    if (now() - reload.seenMs < OVER_AFTER_MS) return reload;
    reloads.delete(app);
    return undefined;
  }
}
