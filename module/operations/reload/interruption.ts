// What ends a reload run early: its caller gives it up, or somebody else reloads the same app.
import { ReloadFailure } from './reloadFailure.ts';

/** The reason why a run has to end, if there is one. */
export interface Interruption {
  /** Has the run end at its next checkpoint. */
  abort(reason: string): void;
  /** Another reload touches the instances of this run. */
  overlapped(what: string): void;
  isPending(): boolean;
  /** @throws {ReloadFailure} when the run has to end */
  checkpoint(): void;
}

/** @param again the line to type for the same reload */
export function createInterruption(title: string, again: () => string): Interruption {
  let aborted: string | undefined;
  let overlap: string | undefined;
  return {
    abort(reason) {
      aborted ??= reason;
    },
    overlapped(what) {
      overlap ??= what;
    },
    isPending: () => aborted !== undefined || overlap !== undefined,
    checkpoint() {
      if (aborted !== undefined) {
        throw new ReloadFailure('E_STATE', `the reload was given up: ${aborted}`, 'reload again');
      }
      if (overlap === undefined) return;
      throw new ReloadFailure(
        'E_STATE',
        `somebody else reloads ${title} at the same time: ${overlap}`,
        `wait for the other one to end (pm2 ls), then: ${again()}`,
      );
    },
  };
}
