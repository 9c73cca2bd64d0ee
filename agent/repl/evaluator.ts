// Evaluates typed code in the app's own thread, between two events of the app, and prints the result.

import type { Runtime } from 'node:inspector';
import { inspect as format, types } from 'node:util';
import type { ToMain, ToWorker } from '../../contract/replFrames.ts';
import { complete } from './completion.ts';
import { inspect, OBJECT_GROUP } from './inspection.ts';
import { createInterruptible } from './interruptible.ts';
import { createScope } from './scope.ts';
import { prepare, TYPED } from './typedCode.ts';

export interface Evaluator {
  /** Handles a message of the thread that serves the socket. */
  hear(message: ToMain): void;
  dispose(): void;
}

/**
 * Makes the app's thread ready for typed code.
 * @param tell sends a message to the thread that serves the socket
 */
export function createEvaluator(tell: (message: ToWorker) => void): Evaluator {
  let isOver = false;
  let isGreeted = false;
  /** The evaluation that the session waits for, 0 for none. */
  let current = 0;
  /** The current evaluation has not begun to run. */
  let isEntering = false;
  let columns = 80;
  let colours = false;

  const name = `${TYPED}${process.pid}-${Math.random()}`;
  const scope = createScope(name, print, guarded);
  const context = scope.context as Record<string, unknown>;
  const inspection = inspect(context, name);
  const interruptible = createInterruptible((id) => current === id && id > 0 && !isEntering);
  process.prependListener('uncaughtException', onUncaught);

  function run(id: number, code: string): void {
    isEntering = true;
    current = id;
    const { source, isAwaited } = prepare(code);
    const params = {
      expression: `${source}\n//# sourceURL=${TYPED}${id}`,
      contextId: inspection.contextId,
      objectGroup: OBJECT_GROUP,
    };
    // Read only after the evaluation, when an interrupt can no longer end this function.
    let outcome: ReturnType<typeof inspection.post<Runtime.EvaluateReturnType>>;
    const isEnded = interruptible.run(() => {
      isEntering = false;
      outcome = inspection.post<Runtime.EvaluateReturnType>('Runtime.evaluate', params);
      return outcome?.error !== null && interruptible.isInterrupted();
    });
    if (isEnded || !outcome) finish('error', 'Interrupted');
    else if (outcome.error) finish('error', isTermination(outcome.error) ? 'Interrupted' : outcome.error.message);
    else settle(id, isAwaited, outcome.answer);
  }

  function settle(id: number, isAwaited: boolean, { result, exceptionDetails }: Runtime.EvaluateReturnType): void {
    const { exception } = exceptionDetails ?? {};
    if (exceptionDetails && isIncomplete(exception)) {
      finish('incomplete');
      return;
    }
    const value = inspection.take(exception ?? result);
    inspection.release();
    if (exceptionDetails) finish('error', `Uncaught ${show(value)}`);
    else if (!isAwaited || !types.isPromise(value)) succeed(value);
    else {
      // After Ctrl-C the session no longer waits for it.
      value.then(
        (awaited: unknown) => current === id && succeed(awaited),
        (error: unknown) => current === id && finish('error', `Uncaught ${show(error)}`),
      );
    }
  }

  function succeed(value: unknown): void {
    context._ = value;
    if (types.isPromise(value)) {
      // The app does not handle this promise, so its rejection must not end the app.
      value.then(undefined, (reason: unknown) => print(`Uncaught (in promise) ${show(reason)}\n`));
    }
    // A client without a terminal gets no line for `undefined`.
    finish('ok', value === undefined && !colours ? undefined : show(value));
  }

  function finish(how: 'ok' | 'error' | 'incomplete', text?: string): void {
    const id = current;
    current = 0;
    if (text !== undefined) print(`${text}\n`);
    tell({ kind: 'done', id, how });
  }

  /** Wraps a callback of typed code for a timer: what it throws is printed, and Ctrl-C ends it. */
  function guarded<Arguments extends unknown[]>(
    callback: (...args: Arguments) => unknown,
  ): (...args: Arguments) => void {
    // Throws now, to the person who typed it; later, Node would throw into the app.
    if (typeof callback !== 'function') throw new TypeError('the callback is no function');
    return (...args) => {
      const call = () => {
        try {
          callback(...args);
        } catch (error) {
          print(`Uncaught ${show(error)}\n`);
        }
        return false;
      };
      // A callback that runs after the session must not end the app either.
      if (isOver) call();
      else if (interruptible.run(call)) print('Interrupted\n');
    };
  }

  /** Errors of typed code in callbacks that Node calls itself. An error of the app's ends it as it would without a REPL. */
  function onUncaught(error: unknown): void {
    if (String((error as Error | null)?.stack).includes(TYPED)) {
      print(`Uncaught ${show(error)}\n`);
      return;
    }
    if (process.listenerCount('uncaughtException') > 1) return;
    process.removeListener('uncaughtException', onUncaught);
    process.nextTick(() => {
      throw error;
    });
  }

  function show(value: unknown): string {
    try {
      return withoutOwnFrames(format(value, { colors: colours, breakLength: columns, compact: 3 }));
    } catch (error) {
      return `[cannot be shown: ${error instanceof Error ? error.message : String(error)}]`;
    }
  }

  function print(text: string): void {
    tell({ kind: 'print', text });
  }

  return {
    hear(message) {
      switch (message.kind) {
        case 'columns':
          ({ columns, colours } = message);
          if (!isGreeted) tell({ kind: 'ready', names: scope.offered });
          isGreeted = true;
          break;
        case 'run':
          run(message.id, message.code);
          break;
        case 'complete':
          tell({ kind: 'completions', ...complete(message.line, context, inspection) });
          break;
        case 'abandon':
          current = 0;
      }
    },
    dispose() {
      current = 0;
      process.removeListener('uncaughtException', onUncaught);
      isOver = true;
      scope.stopTimers();
      inspection.dispose();
      interruptible.dispose();
    },
  };
}

/** Does a syntax error mean that more lines follow? If running code threw it, its stack shows typed code. */
function isIncomplete(exception: Runtime.RemoteObject | undefined): boolean {
  const { className, description = '' } = exception ?? {};
  if (className !== 'SyntaxError' || description.includes(TYPED)) return false;
  return /^SyntaxError: (Unexpected end of input|Unterminated template literal)/.test(description);
}

function isTermination(error: Error): boolean {
  return /terminated/i.test(error.message);
}

/** Cuts a stack where our own frames begin. */
function withoutOwnFrames(text: string): string {
  return text.replace(/\n {4}at (?:Session\.post|new Promise|[^\n]*\(node:inspector)[\s\S]*?(?=\n(?! {4}at )|$)/g, '');
}
