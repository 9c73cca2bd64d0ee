// Ctrl-C: runs typed code where the other thread may end it, and never the app's code.

import { Session } from 'node:inspector';
import { INTERRUPT, type Interruption } from '../../contract/replFrames.ts';
import { TYPED } from './typedCode.ts';

export interface Interruptible {
  /** Has the other thread asked V8 to end the code that runs now? V8 may not have ended it yet. */
  isInterrupted(): boolean;
  /**
   * Runs typed code inside an evaluation, because V8 ends only code that runs within one.
   * @param act returns whether V8 has ended a nested evaluation
   * @returns whether V8 has ended this one
   */
  run(act: () => boolean): boolean;
  dispose(): void;
}

/** The object on the app's global that the other thread calls through V8. */
const GLOBAL = `globalThis[Symbol.for(${JSON.stringify(INTERRUPT)})]`;
/** How long code that has ended by itself waits for an interrupt that is already on its way. */
const ABSORB_MS = 2_000;

/**
 * Makes it possible to interrupt typed code in this process.
 * @param isAwaited does the session wait for the promise of this evaluation?
 */
export function createInterruptible(isAwaited: (id: number) => boolean): Interruptible {
  /** A session of its own, because the evaluations of the other session run inside its evaluation. */
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
    // The evaluation waits for a promise; or it has not begun or is over, which the other thread will learn.
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
        // First the depth: from here on, `ask` promises no further interrupt.
        depth--;
        // An interrupt that comes later would end other code, so this waits for it. It reads V8's own clock, because Node's lazy
        // globals, such as `performance`, stay broken if they are interrupted while they load.
        if (interrupted && !endedWithin) for (const untilMs = Date.now() + ABSORB_MS; Date.now() < untilMs; );
        ended = endedWithin;
      });
      session.post('Runtime.evaluate', { expression: `${GLOBAL}.step()`, silent: true });
      // V8 skipped the lines above that reset these.
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

/** The current frames, innermost first, even if the app has replaced the formatting of stacks. */
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
