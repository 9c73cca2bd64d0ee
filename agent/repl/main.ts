// A REPL inside an app, the part on its main thread: evaluates what was typed, between two events of the app, and survives it.
// Sent and evaluated only when somebody opens one (setting `repl`), so that an app without one carries nothing of it.

import type { InspectorNotification, Runtime } from 'node:inspector';
import { Session } from 'node:inspector';
import { inspect, types } from 'node:util';
import { Script } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { INTERRUPT, type Interruption, type ToMain, type ToWorker } from '../../contract/replFrames.ts';
import type { ReplData } from '../../contract/replRequest.ts';
import { createScope, IMPORT } from './scope.ts';

export interface ReplOptions extends ReplData {
  /** Source of the thread that serves the socket. */
  worker: string;
}

export interface OpenRepl {
  close(reason: string): void;
}

const INTERRUPTIBLE = `globalThis[Symbol.for(${JSON.stringify(INTERRUPT)})]`;
/** Name of the scripts that were typed, by which their frames are known. */
const TYPED = 'pm2-ops-repl-';
const STARTS_WITHIN_MS = 10_000;
/** How long what has ended by itself waits for the interrupt that was meant for it, in milliseconds. */
const ABSORB_MS = 2_000;
const MOST_NAMES = 2_000;
const COMPLETE_MS = 200;

/**
 * Opens a REPL in this process.
 * @param onClosed called once it is over
 * @throws when its socket cannot be opened
 */
export async function open(options: ReplOptions, onClosed: () => void): Promise<OpenRepl> {
  const { worker: source, ...data } = options;
  // Each is told only when both are there.
  const tell = (message: ToWorker) => worker.postMessage(message);
  const evaluator = new Evaluator(tell);
  let worker: Worker;
  try {
    worker = new Worker(source, { eval: true, workerData: data, env: {}, execArgv: [] });
  } catch (error) {
    evaluator.dispose();
    throw error;
  }
  let over = false;
  const clean = () => {
    if (over) return;
    over = true;
    evaluator.dispose();
    onClosed();
  };
  const repl: OpenRepl = { close: (reason) => tell({ kind: 'close', reason }) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      clearTimeout(late);
      clean();
      void worker.terminate();
      reject(error);
    };
    const late = setTimeout(
      () => fail(new Error(`its thread did not start within ${STARTS_WITHIN_MS} ms`)),
      STARTS_WITHIN_MS,
    );
    late.unref();
    worker.on('message', (message: ToMain) => {
      if (message.kind === 'failed') fail(new Error(message.message));
      else if (message.kind === 'listening') {
        clearTimeout(late);
        resolve(repl);
      } else if (!over) evaluator.hear(message);
    });
    // An error of ours ends the session, never the app.
    worker.on('error', fail);
    worker.on('exit', () => {
      clearTimeout(late);
      clean();
      reject(new Error('its thread has ended'));
    });
    worker.unref();
  });
}

class Evaluator {
  private readonly session = new Session();
  /** Beside it, for the evaluation in which the others are. */
  private readonly edge = new Session();
  private readonly steps: (() => void)[] = [];
  private isOver = false;
  /** What is to run does not run yet. */
  private isEntering = false;
  private readonly contextId: number;
  private readonly sinkId: string;
  private readonly offered: string[];
  private readonly stopTimers: () => void;
  private readonly context: Record<string, unknown>;
  private taken: unknown;
  private greeted = false;
  /** The evaluation that is waited for. */
  private current = 0;
  /** Typed code is on the stack, inside an evaluation that V8 can end. */
  private depth = 0;
  private interrupted = false;
  private columns = 80;
  private colours = false;

  constructor(private readonly tell: (message: ToWorker) => void) {
    this.session.connect();
    const name = `${TYPED}${process.pid}-${Math.random()}`;
    const { context, offered, stopTimers } = createScope(
      name,
      (text) => this.print(text),
      (callback) => this.guarded(callback),
    );
    this.context = context as Record<string, unknown>;
    this.offered = offered;
    this.stopTimers = stopTimers;
    this.contextId = this.findContext(name);
    // How values get from the inspector's hands into ours.
    Object.defineProperty(context, '$sink', {
      value: {
        take: (value: unknown) => {
          this.taken = value;
        },
      },
      configurable: true,
    });
    this.sinkId =
      this.post<Runtime.EvaluateReturnType>('Runtime.evaluate', {
        expression: '$sink',
        contextId: this.contextId,
        objectGroup: 'sink',
      })?.result.objectId ?? '';
    delete this.context.$sink;
    this.edge.connect();
    const interruptible = { ask: (id: number) => this.interrupt(id), step: () => this.steps.pop()?.() };
    Object.defineProperty(globalThis, Symbol.for(INTERRUPT), { value: interruptible, configurable: true });
    process.prependListener('uncaughtException', this.onUncaught);
  }

  hear(message: ToMain): void {
    switch (message.kind) {
      case 'columns': {
        this.columns = message.columns;
        this.colours = message.colours;
        if (!this.greeted) this.tell({ kind: 'ready', names: this.offered });
        this.greeted = true;
        break;
      }
      case 'run':
        this.run(message.id, message.code);
        break;
      case 'complete':
        this.complete(message.line);
        break;
      case 'abandon':
        this.current = 0;
    }
  }

  dispose(): void {
    this.current = 0;
    process.removeListener('uncaughtException', this.onUncaught);
    delete (globalThis as Record<symbol, unknown>)[Symbol.for(INTERRUPT)];
    this.isOver = true;
    this.stopTimers();
    this.session.disconnect();
    this.edge.disconnect();
  }

  private run(id: number, code: string): void {
    this.isEntering = true;
    this.current = id;
    const { source, isAwaited } = prepare(code);
    const params = {
      expression: `${source}\n//# sourceURL=${TYPED}${id}`,
      contextId: this.contextId,
      objectGroup: 'typed',
    };
    // Looked at when nothing can be interrupted any more.
    let outcome: { error: Error | null; answer: Runtime.EvaluateReturnType } | undefined;
    const terminated = this.protect(() => {
      this.session.post('Runtime.evaluate', params, (error, answer) => {
        outcome = { error, answer: answer as Runtime.EvaluateReturnType };
      });
      return outcome?.error !== null && this.interrupted;
    });
    if (terminated || !outcome) this.finish('error', 'Interrupted');
    else if (outcome.error) this.finish('error', isTermination(outcome.error) ? 'Interrupted' : outcome.error.message);
    else this.answer(id, isAwaited, outcome.answer);
  }

  private answer(id: number, isAwaited: boolean, { result, exceptionDetails }: Runtime.EvaluateReturnType): void {
    const { exception } = exceptionDetails ?? {};
    if (exceptionDetails && isIncomplete(exception)) {
      this.finish('incomplete');
      return;
    }
    const value = this.take(exception ?? result);
    this.session.post('Runtime.releaseObjectGroup', { objectGroup: 'typed' });
    if (exceptionDetails) this.finish('error', `Uncaught ${this.show(value)}`);
    else if (!isAwaited || !types.isPromise(value)) this.succeed(value);
    else {
      // After Ctrl-C nobody waits for it any more.
      value.then(
        (awaited: unknown) => this.current === id && this.succeed(awaited),
        (error: unknown) => this.current === id && this.finish('error', `Uncaught ${this.show(error)}`),
      );
    }
  }

  private succeed(value: unknown): void {
    this.context._ = value;
    if (types.isPromise(value)) {
      // Nobody else waits for it: its failure is this session's, not the end of the app.
      value.then(undefined, (reason: unknown) => this.print(`Uncaught (in promise) ${this.show(reason)}\n`));
    }
    // A script's output is what it prints and what it computes.
    this.finish('ok', value === undefined && !this.colours ? undefined : this.show(value));
  }

  private finish(how: 'ok' | 'error' | 'incomplete', text?: string): void {
    const id = this.current;
    this.current = 0;
    if (text !== undefined) this.print(`${text}\n`);
    this.tell({ kind: 'done', id, how });
  }

  /**
   * Runs something in which Ctrl-C may end typed code: inside an evaluation, whose edge is where V8 stops ending what runs. An
   * interrupt that comes when it has just ended by itself is waited for here, or it would end whatever runs next.
   * @param act says whether it was ended further in
   * @returns whether it was ended
   */
  private protect(act: () => boolean): boolean {
    let ended = true;
    this.steps.push(() => {
      this.depth++;
      this.isEntering = false;
      const endedWithin = act();
      // Left first, asked then: from here on no other interrupt is promised.
      this.depth--;
      // Ended in the middle of a lazy global such as `performance`, Node would leave that broken: V8's own clock, then.
      if (this.interrupted && !endedWithin) for (const untilMs = Date.now() + ABSORB_MS; Date.now() < untilMs; );
      ended = endedWithin;
    });
    this.edge.post('Runtime.evaluate', { expression: `${INTERRUPTIBLE}.step()`, silent: true });
    // What was ended has not tidied up behind itself.
    this.depth = 0;
    this.interrupted = false;
    return ended;
  }

  /** Called by the other thread, in the middle of whatever runs here. @param id of what it waits for, 0 for nothing */
  private interrupt(id: number): Interruption {
    if (this.depth > 0) {
      this.interrupted = true;
      return 'terminate';
    }
    const frames = stackNow();
    const outermost = frames.findLastIndex((frame) => frame.includes(TYPED));
    // It waits for something; or it has not begun, or is over, of which the other thread will hear.
    if (outermost < 0) return this.current === id && id > 0 && !this.isEntering ? 'abandon' : 'idle';
    // After an `await`, typed code is called by nobody but the queue of microtasks.
    const callers = frames.slice(outermost + 1);
    return callers.every((frame) => /processTicksAndRejections|runMicrotasks|runNextTicks/.test(frame))
      ? 'late'
      : 'stuck';
  }

  /** A callback of typed code, called by a timer: what it throws is printed, and Ctrl-C ends it. */
  private guarded<Arguments extends unknown[]>(
    callback: (...args: Arguments) => unknown,
  ): (...args: Arguments) => void {
    // Now, to whoever typed it, and not later, to the app.
    if (typeof callback !== 'function') throw new TypeError('the callback is no function');
    return (...args) => {
      const call = () => {
        try {
          callback(...args);
        } catch (error) {
          this.print(`Uncaught ${this.show(error)}\n`);
        }
        return false;
      };
      // When the session is over, it still must not end the app.
      if (this.isOver) call();
      else if (this.protect(call)) this.print('Interrupted\n');
    };
  }

  /** Errors of typed code in callbacks that Node calls itself. An error of the app's is what it would be without us. */
  private readonly onUncaught = (error: unknown): void => {
    if (String((error as Error | null)?.stack).includes(TYPED)) {
      this.print(`Uncaught ${this.show(error)}\n`);
      return;
    }
    if (process.listenerCount('uncaughtException') > 1) return;
    process.removeListener('uncaughtException', this.onUncaught);
    process.nextTick(() => {
      throw error;
    });
  };

  /** Names to go on with, found without running anything of the app's. */
  private complete(line: string): void {
    const [, path, part = ''] = MEMBER.exec(line) ?? [];
    const of = path === undefined ? (/[A-Za-z_$][\w$]*$/.exec(line)?.[0] ?? '') : part;
    let names: string[] = [];
    try {
      if (path !== undefined) names = namesOf(this.lookUp(path));
      else if (!/\.[\w$]*$/.test(line)) names = this.globalNames();
    } catch {
      // Nothing to offer.
    }
    const fitting = [...new Set(names)].filter((name) => name.startsWith(of)).sort();
    this.tell({ kind: 'completions', names: fitting.slice(0, MOST_NAMES), of });
  }

  /** The value behind `a.b['c'][0]`, as far as it can be had without calling a getter of the app's. */
  private lookUp(path: string): unknown {
    const [root = '', ...keys] = path.match(/[A-Za-z_$][\w$]*|\d+|'[^']*'|"[^"]*"/g) ?? [];
    let value: unknown = Object.hasOwn(this.context, root) ? this.context[root] : this.lookUpRoot(root);
    for (const key of keys) value = dataOf(value, key.replace(/^['"]|['"]$/g, ''));
    return value;
  }

  /** What typed code has declared, and what every global has. */
  private lookUpRoot(expression: string): unknown {
    const answer = this.post<Runtime.EvaluateReturnType>('Runtime.evaluate', {
      expression,
      contextId: this.contextId,
      throwOnSideEffect: true,
      silent: true,
      timeout: COMPLETE_MS,
      objectGroup: 'typed',
    });
    const value = answer && !answer.exceptionDetails ? this.take(answer.result) : undefined;
    this.session.post('Runtime.releaseObjectGroup', { objectGroup: 'typed' });
    return value;
  }

  private globalNames(): string[] {
    const lexical = this.post<Runtime.GlobalLexicalScopeNamesReturnType>('Runtime.globalLexicalScopeNames', {
      executionContextId: this.contextId,
    });
    return [
      ...Object.getOwnPropertyNames(this.context),
      ...(lexical?.names ?? []),
      ...namesOf(this.lookUpRoot('globalThis')),
    ];
  }

  private take({ objectId, value, unserializableValue }: Runtime.RemoteObject): unknown {
    if (objectId === undefined && unserializableValue === undefined) return value;
    this.taken = undefined;
    this.session.post('Runtime.callFunctionOn', {
      objectId: this.sinkId,
      functionDeclaration: 'function (value) { this.take(value); }',
      arguments: [objectId === undefined ? { unserializableValue } : { objectId }],
      silent: true,
    });
    const { taken } = this;
    this.taken = undefined;
    return taken;
  }

  private show(value: unknown): string {
    try {
      const text = inspect(value, { colors: this.colours, breakLength: this.columns, compact: 3 });
      return withoutOwnFrames(text);
    } catch (error) {
      return `[cannot be shown: ${error instanceof Error ? error.message : String(error)}]`;
    }
  }

  private print(text: string): void {
    this.tell({ kind: 'print', text });
  }

  /** Answers at once: it is the same thread. */
  private post<T>(method: string, params?: object): T | undefined {
    let answer: T | undefined;
    this.session.post(method, params, (error, result) => {
      if (!error) answer = result as T;
    });
    return answer;
  }

  /** The inspector lists contexts to whoever enables it, which is for a moment only: enabled, it keeps what the app logs. */
  private findContext(name: string): number {
    let id = 0;
    const hear = ({ params }: InspectorNotification<Runtime.ExecutionContextCreatedEventDataType>) => {
      if (params.context.name === name) id = params.context.id;
    };
    this.session.on('Runtime.executionContextCreated', hear);
    this.session.post('Runtime.enable');
    this.session.post('Runtime.disable');
    this.session.removeListener('Runtime.executionContextCreated', hear);
    return id;
  }
}

/** `object.part` at the end of a line. */
const MEMBER = /([A-Za-z_$][\w$]*(?:\??\.[A-Za-z_$][\w$]*|\[(?:\d+|'[^'\\]*'|"[^"\\]*")\])*)\??\.([\w$]*)$/;

/** Names of all properties, also inherited ones, that can stand behind a dot. */
function namesOf(value: unknown): string[] {
  const names: string[] = [];
  if (value === undefined || value === null) return names;
  for (let each: unknown = Object(value); each && !types.isProxy(each); each = Object.getPrototypeOf(each)) {
    names.push(...Object.getOwnPropertyNames(each).filter((name) => /^[A-Za-z_$][\w$]*$/.test(name)));
    if (names.length > MOST_NAMES) break;
  }
  return names;
}

/** A property's value, if it has one without a getter. */
function dataOf(value: unknown, key: string): unknown {
  if (value === undefined || value === null) return undefined;
  for (let each: unknown = Object(value); each && !types.isProxy(each); each = Object.getPrototypeOf(each)) {
    const property = Object.getOwnPropertyDescriptor(each, key);
    if (property) return property.value;
  }
  return undefined;
}

/**
 * What V8 is given. What looks like an object is one, as in Node's REPL; `import()` is ours; and where there is an `await`, it is
 * an async function, whose declarations become globals of typed code. V8's own way (`replMode`) calls into JavaScript in
 * the middle of a garbage collection once the promise is collected, which ends Node 24 (tried).
 */
function prepare(code: string): { source: string; isAwaited: boolean } {
  const source = code.replace(/(?<![\w$.])import(?=\s*\()/g, IMPORT);
  if (/^\s*\{[\s\S]*\}\s*$/.test(source) && compiles(`(${source})`)) return { source: `(${source})`, isAwaited: false };
  if (!/\bawait\b/.test(source) || compiles(source)) return { source, isAwaited: false };
  const declared = source
    .replace(/^(?:const|let|var)\s+(?=[A-Za-z_$][\w$]*\s*=)/gm, '')
    .replace(/^(?:const|let|var)\s*(\{[^{}=]*\}|\[[^[\]=]*\])\s*=\s*(.*?);?$/gm, '($1 = $2);');
  const lines = declared.trimEnd().split('\n');
  const last = lines.pop() ?? '';
  // A declaration has no value.
  const declaresLast = /^(?:const|let|var)\b/.test(source.trimEnd().split('\n').at(-1) ?? '');
  const tries = [
    `(async () => (${source}\n))()`,
    ...(declaresLast ? [] : [`(async () => {${[...lines, `return (${last.replace(/;\s*$/, '')}\n)`].join('\n')}})()`]),
    `(async () => {${declared}\n})()`,
  ];
  const fitting = tries.find(compiles);
  return fitting === undefined ? { source, isAwaited: false } : { source: fitting, isAwaited: true };
}

function compiles(source: string): boolean {
  try {
    new Script(source);
    return true;
  } catch {
    return false;
  }
}

/** Is it an error of syntax that means that there is more to come? One that was thrown by what ran shows it in its stack. */
function isIncomplete(exception: Runtime.RemoteObject | undefined): boolean {
  const { className, description = '' } = exception ?? {};
  if (className !== 'SyntaxError' || description.includes(TYPED)) return false;
  return /^SyntaxError: (Unexpected end of input|Unterminated template literal)/.test(description);
}

function isTermination(error: Error | null): boolean {
  return error !== null && /terminated/i.test(error.message);
}

/** The frames right now, the innermost first; whatever the app does with stacks itself. */
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

/** A stack ends where our own begins. */
function withoutOwnFrames(text: string): string {
  return text.replace(/\n {4}at (?:Session\.post|new Promise|[^\n]*\(node:inspector)[\s\S]*?(?=\n(?! {4}at )|$)/g, '');
}
