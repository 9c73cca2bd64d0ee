// Knows which apps PM2 itself reloads right now. PM2 replaces one instance after the other, and drops the outgoing one from its
// list: the module recognises an outgoing instance when another process has its id.
import type { App } from '../../contract/app.ts';

/** PM2 pauses between two instances. A reload is over when PM2 has replaced none for this long. */
const OVER_AFTER_MS = 400;
/** The module stops waiting for a reload that takes longer. */
const LONGEST_MS = 10_000;

export interface ReloadsOfPm2 {
  /** Records that another process has taken the id of this one, which still runs. @returns whether that is new */
  leaves(app: App, pid: number): boolean;
  /** Does PM2 replace another instance of this app, or did it a moment ago? Says so for 10 s of one reload at most. */
  goesOnBeside(app: App, pid: number): boolean;
}

interface Reload {
  sinceMs: number;
  /** When an outgoing instance was last seen, as `now` counts. */
  seenMs: number;
  leaving: Set<number>;
}

/**
 * @param isRunning does a process with that pid run?
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

  /** The reload of an app; forgets one that is over. */
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
