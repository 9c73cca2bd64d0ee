// Gets a script into a running Node process: opens its inspector with a signal, proves which process answers, loads the script
// while the app is idle, disconnects, and sees the inspector closed. attempt.ts has the order of one attempt. Each step is a file
// beside it; journal.ts, guard.ts and lateProcesses.ts make sure that no inspector stays open, whichever process dies meanwhile.

import type { StackView } from '../../contract/stackView.ts';
import { isAlive } from '../../shared/linux/proc.ts';
import { withTimeout } from '../../shared/time.ts';
import { attachInTurn, loadLate } from './attempt.ts';
import { type ContextOptions, createContext, type Load } from './context.ts';
import { createIdleGate, fitOrFail } from './idle.ts';
import { createLateProcesses } from './lateProcesses.ts';
import { lookAt } from './look.ts';
import { type Attached, asNotAttached, type NotAttached } from './outcome.ts';

const RECOVER_MS = 1000;
const CLOSING_MS = 1000;

export interface AttacherOptions extends ContextOptions {
  /** Gets the outcome of a load for which `attach` has answered `blocked`. */
  onLate?(pid: number, outcome: Attached | NotAttached): void;
}

export interface Attacher {
  /** Loads a script into a process. Never throws. Attempts run one after the other; a blocked process does not hold up the
   * next attempt. */
  attach(pid: number, load: Load): Promise<Attached | NotAttached>;
  /** Tells what a process executes right now, even inside an endless loop. Never throws, and answers within `LOOK_WITHIN_MS`:
   * with the kernel's view if V8 cannot answer. */
  look(pid: number): Promise<StackView>;
  /** Closes the inspectors that a dead predecessor has left open. To be called once, before the first attach. */
  recover(): Promise<void>;
  /** Ends within about a second: finishes an attempt under way or gives it up, and leaves pending closes to the guard. */
  close(): Promise<void>;
}

/** Creates the attacher of this module, which owns the journal in its state folder. */
export function createAttacher(options: AttacherOptions): Attacher {
  const { context, stop } = createContext(options);
  const late = createLateProcesses(context, {
    load: (pending, socket, load) => loadLate(engine, pending, socket, load),
    onLate: (pid, outcome) => options.onLate?.(pid, outcome),
  });
  const engine = { ...context, late };
  const idleGate = createIdleGate();
  return {
    async attach(pid, load) {
      try {
        // Waits for an idle moment before the turn: with a busy process that takes long, and other attempts would wait, too.
        const candidate = fitOrFail(pid);
        if (!late.get(pid)) await idleGate.pass(candidate);
        return await context.inTurn(() => attachInTurn(engine, candidate, load, idleGate));
      } catch (error) {
        return asNotAttached(error);
      }
    },
    look: (pid) => lookAt(engine, pid),
    async recover() {
      for (const pending of context.journal.pending) {
        if (!isAlive(pending)) context.journal.remove(pending);
        else if (!late.get(pending.pid)) late.follow(pending, null);
      }
      await withTimeout(late.settled(), RECOVER_MS, () => {}, { ref: false });
    },
    async close() {
      await withTimeout(stop(), CLOSING_MS, () => {}, { ref: false });
      late.stop();
      context.guardian.dismiss();
    },
  };
}
