// What all parts of the attach engine share: the journal, the guard, the queue of attempts, and the named points of an attempt.

import { Guardian } from './guardian.ts';
import { Journal } from './journal.ts';
import { closing } from './outcome.ts';
import type { Script } from './script.ts';

/** What is loaded. */
export interface Load extends Script {
  /** JSON. */
  argument: unknown;
  /** Does the caller still want the load? Asked at the last moment before the signal. */
  isWanted?(): boolean;
}

/** The points of an attempt, in order. A module that dies at any of them leaves no inspector open. */
export type Step =
  | 'locked'
  | 'journaled'
  | 'guarded'
  | 'signalled'
  | 'opened'
  | 'connected'
  | 'proven'
  | 'loaded'
  /** A look has its samples. */
  | 'sampled'
  | 'left'
  | 'closed';

export interface ContextOptions {
  /** The folder of the journal; the attacher makes it (0700) if it is missing. */
  stateDir: string;
  /** The path of the built guard. */
  guardScript: string;
  log(line: string): void;
  /** For tests: called at every point of an attempt. */
  onStep?(step: Step, pid: number): void | Promise<void>;
}

export interface Context {
  journal: Journal;
  guardian: Guardian;
  /** Aborted when the module shuts down. */
  stopping: AbortSignal;
  log(line: string): void;
  step(step: Step, pid: number): Promise<void>;
  /** Runs attempts one after the other. Rejects an attempt whose turn comes after the module began to shut down. */
  inTurn<T>(attempt: () => Promise<T>): Promise<T>;
  /** Starts the guard. The caller need not handle the promise. */
  startGuard(): Promise<void>;
}

/** Creates the context of one attacher. `stop` resolves when the last attempt in the queue has ended. */
export function createContext(options: ContextOptions): { context: Context; stop(): Promise<unknown> } {
  const journal = new Journal(options.stateDir);
  const guardian = new Guardian(options.guardScript, journal.path);
  const abort = new AbortController();
  let lastInLine: Promise<unknown> = Promise.resolve();
  const context: Context = {
    journal,
    guardian,
    stopping: abort.signal,
    log: (line) => options.log(line),
    step: async (step, pid) => options.onStep?.(step, pid),
    inTurn(attempt) {
      const turn = lastInLine.then(() => {
        if (abort.signal.aborted) throw closing();
        return attempt();
      });
      lastInLine = turn.catch(() => {});
      return turn;
    },
    startGuard() {
      const ready = guardian.ready();
      ready.catch(() => {});
      return ready;
    },
  };
  return {
    context,
    stop() {
      abort.abort();
      return lastInLine;
    },
  };
}
