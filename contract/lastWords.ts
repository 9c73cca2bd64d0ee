// The last words of a process: what only the process itself knows of its end. The agent writes them, synchronously, into a small
// file in the state folder, so that they reach a module that starts later, too.

export interface LastWords {
  pid: number;
  /** The start of the process in clock ticks since boot (proc(5), field 22). */
  startTicks: number;
  /** When they were written, in milliseconds of Date.now(). */
  at: number;
  /** The newest exception that nothing caught. */
  exception?: {
    /** When, in milliseconds of Date.now(). */
    at: number;
    /**
     * The process ended of it: nothing else ran between the two. Otherwise the app has handled it, and perhaps ended later because
     * of it: `at` and `exitCode` tell how likely that is.
     */
    fatal: boolean;
    /** `uncaughtException` or `unhandledRejection`, as Node's `uncaughtExceptionMonitor` says. */
    origin: string;
    name: string;
    message: string;
    stack: string;
  };
  /** How many exceptions nothing caught, the newest included. */
  exceptions: number;
  /** The code of Node's `exit` event; absent when the process ended without one. */
  exitCode?: number;
  /** The event loop had nothing left to do before the exit. */
  ranDry: boolean;
  /** Where `process.exit` was called, frame by frame; absent when it was not called, or by our own drain. */
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

/**
 * The folder of V8's reports of heaps that were full, in a state folder: `report.DATE.TIME.PID.TID.NUMBER.json`, written by Node with
 * mode 0644 and with the environment in it. The folder is 0700, and the module takes the secrets out.
 */
export const HEAP_REPORTS_FOLDER = 'heap-reports';
