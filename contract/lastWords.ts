// The last words of a process: what only the process itself knows of its end. The agent writes them, synchronously, into a small
// file in the state folder, so that they reach a module that starts later, too.

export interface LastWords {
  pid: number;
  /** The start of the process in clock ticks since boot (proc(5), field 22). */
  startTicks: number;
  /** When they were written, in milliseconds of Date.now(). */
  at: number;
  /** An exception that nothing caught; the process may end without an `exit` event after it. */
  exception?: {
    /** `uncaughtException` or `unhandledRejection`, as Node's `uncaughtExceptionMonitor` says. */
    origin: string;
    name: string;
    message: string;
    stack: string;
  };
  /** The code of Node's `exit` event; absent when the process ended without one. */
  exitCode?: number;
  /** The event loop had nothing left to do before the exit. */
  ranDry: boolean;
  /** Where `process.exit` was called: the stack of the `exit` event, without our own frames. */
  exitStack?: string;
  /** How many rejections nothing has handled. */
  unhandledRejections: number;
  lastRejection?: { message: string; stack: string };
}

/** The folder of last words in a state folder, and the name of a process's file there. */
export const LAST_WORDS_FOLDER = 'last-words';
export const lastWordsName = (pid: number, startTicks: number): string => `${pid}-${startTicks}.json`;
/** A file that is larger is not read. */
export const LAST_WORDS_MOST_BYTES = 64 * 1024;
