// Gets a script into a running Node process: opens its inspector by a signal, proves who is there, loads the script at a
// moment when the app is idle, leaves, and sees the inspector closed. attempt.ts has the order of one attempt; the files beside
// it have each step, and what keeps the promise that nothing stays open, whichever process dies on the way.

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
  /** Hears what became of a load for which `attach` had answered `blocked`. */
  onLate?(pid: number, outcome: Attached | NotAttached): void;
}

export interface Attacher {
  /** Loads a script into a process. Never throws. Attempts are made one after the other; one that finds its process
   * blocked does not hold the next. */
  attach(pid: number, load: Load): Promise<Attached | NotAttached>;
  /** Where a process is right now, also in the middle of a loop that never ends. Never throws, and answers within
   * `LOOK_WITHIN_MS`. Where V8 cannot answer, the kernel's view does. */
  look(pid: number): Promise<StackView>;
  /** To be called once, before the first attach: closes what a predecessor that died has left open. */
  recover(): Promise<void>;
  /** Ends within about a second: an attempt under way is finished or given up, a close that is still pending is left to the
   * guard. */
  close(): Promise<void>;
}

/** An attacher of this module; it holds the journal of its state folder. */
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
        // Waiting for an idle moment takes long for busy processes: before their turn, and not at the others' expense.
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
