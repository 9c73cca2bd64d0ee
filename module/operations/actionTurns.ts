// An exclusive action runs once at a time for an app: the others wait for their turn, in the order in which they were asked.
import type { App } from '../../contract/app.ts';

export interface ActionTurns {
  /** Does another one run, or wait? */
  isTaken(app: App): boolean;
  /** Runs it when those before it are done. */
  take<T>(app: App, act: () => Promise<T>): Promise<T>;
}

export function createActionTurns(): ActionTurns {
  /** Settles when the last one that waits is done. */
  const last = new Map<App, Promise<unknown>>();
  return {
    isTaken: (app) => last.has(app),
    async take(app, act) {
      const mine = (last.get(app) ?? Promise.resolve()).then(act);
      const settled = mine.catch(() => {});
      last.set(app, settled);
      try {
        return await mine;
      } finally {
        if (last.get(app) === settled) last.delete(app);
      }
    },
  };
}
