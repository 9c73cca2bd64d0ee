// Ctrl-C: typed code runs in a place where the other thread may end it, and the app's code does not.

import { Session } from 'node:inspector';
import { INTERRUPT, type Interruption } from '../../contract/replFrames.ts';
import { TYPED } from './typedCode.ts';

export interface Interruptible {
  /** The other thread asked for the end of what runs now, and V8 may not have ended it yet. */
  isInterrupted(): boolean;
  /**
   * Runs something that contains typed code, inside an evaluation: V8 ends only what runs within it.
   * @param act says whether V8 ended an evaluation further in
   * @returns whether V8 ended it
   */
  run(act: () => boolean): boolean;
  dispose(): void;
}

/** This object on the app's global is what the other thread calls through V8. */
const GLOBAL = `globalThis[Symbol.for(${JSON.stringify(INTERRUPT)})]`;
/** How long code that ended by itself waits for the interrupt that was meant for it. */
const ABSORB_MS = 2_000;

/**
 * Makes it possible to interrupt typed code in this process.
 * @param isAwaited whether the session waits for the promise of this evaluation
 */
export function createInterruptible(isAwaited: (id: number) => boolean): Interruptible {
  /** A session of its own: the evaluations of the other one run inside its evaluation. */
  const session = new Session();
  const steps: (() => void)[] = [];
  /** More than 0 while typed code is on the stack, inside an evaluation that V8 can end. */
  let depth = 0;
  let interrupted = false;

  /** The other thread calls this in the middle of any code. @param id of the evaluation that it waits for, 0 for none */
  function ask(id: number): Interruption {
    if (depth > 0) {
      interrupted = true;
      return 'terminate';
    }
    const frames = stackNow();
    const outermost = frames.findLastIndex((frame) => frame.includes(TYPED));
    // It waits for a promise; or it has not begun or is over, and the other thread will hear of that.
    if (outermost < 0) return isAwaited(id) ? 'abandon' : 'idle';
    // After an `await`, only the queue of microtasks calls typed code.
    const callers = frames.slice(outermost + 1);
    return callers.every((frame) => /processTicksAndRejections|runMicrotasks|runNextTicks/.test(frame))
      ? 'late'
      : 'stuck';
  }

  session.connect();
  Object.defineProperty(globalThis, Symbol.for(INTERRUPT), {
    value: { ask, step: () => steps.pop()?.() },
    configurable: true,
  });

  return {
    isInterrupted: () => interrupted,
    run(act) {
      let ended = true;
      steps.push(() => {
        depth++;
        const endedWithin = act();
        // The depth first: from here on the other thread promises no interrupt.
        depth--;
        // An interrupt that comes now would end whatever runs next, so it must come here. The clock is V8's own: ended in the
        // middle of a lazy global such as `performance`, Node would leave that broken.
        if (interrupted && !endedWithin) for (const untilMs = Date.now() + ABSORB_MS; Date.now() < untilMs; );
        ended = endedWithin;
      });
      session.post('Runtime.evaluate', { expression: `${GLOBAL}.step()`, silent: true });
      // Code that V8 ended did not reach its own last lines.
      depth = 0;
      interrupted = false;
      return ended;
    },
    dispose() {
      delete (globalThis as Record<symbol, unknown>)[Symbol.for(INTERRUPT)];
      session.disconnect();
    },
  };
}

/** The frames right now, the innermost first, even where the app replaces how stacks are made. */
function stackNow(): string[] {
  const { stackTraceLimit, prepareStackTrace } = Error;
  try {
    Error.stackTraceLimit = 500;
    Error.prepareStackTrace = (_error, sites) => sites.map(String);
    const { stack } = new Error() as unknown as { stack?: string[] | string };
    return Array.isArray(stack) ? stack : String(stack).split('\n').slice(1);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
}
