// The names that typed code sees. It has a global of its own, so that its declarations do not become globals of the app. That has
// the app's current globals, and the names that the app offers under `globalThis[Symbol.for('pm2-ops.repl')]`.
import { Console } from 'node:console';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { constants, createContext, runInContext, Script } from 'node:vm';

/** The app offers names to typed code under this symbol of its global. */
export const OFFERED = Symbol.for('pm2-ops.repl');
/** What `import(` in typed code becomes: V8's inspector knows no modules. */
export const IMPORT = '$import';

export interface Scope {
  context: object;
  /** Names that the app offers. */
  offered: string[];
  /** Ends the timers of typed code, which must not outlive the session. */
  stopTimers(): void;
}

/**
 * Makes the global of typed code.
 * @param name of the context, by which the inspector lists it
 * @param print takes what typed code logs
 * @param guard wraps a callback so that its error does not end the app
 */
export function createScope(
  name: string,
  print: (text: string) => void,
  guard: <Arguments extends unknown[]>(callback: (...args: Arguments) => unknown) => (...args: Arguments) => void,
): Scope {
  const context: Record<string, unknown> = {};
  createContext(context, { name });
  const builtIn = new Set(runInContext('Object.getOwnPropertyNames(globalThis)', context) as string[]);
  for (const each of Object.getOwnPropertyNames(globalThis)) {
    if (!builtIn.has(each)) offer(context, each, () => (globalThis as Record<string, unknown>)[each]);
  }
  const output = new Writable({
    decodeStrings: false,
    write: (text, _encoding, done) => {
      print(String(text));
      done();
    },
  });
  const timers = new Set<NodeJS.Timeout>();
  const immediates = new Set<NodeJS.Immediate>();
  const hidden = {
    console: new Console({ stdout: output, stderr: output, colorMode: false }),
    require: createRequire(join(process.cwd(), 'pm2-ops-repl.js')),
    [IMPORT]: importer(),
    setTimeout: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      const guarded = guard(callback);
      const timer = setTimeout(() => {
        timers.delete(timer);
        guarded(...args);
      }, ms);
      timers.add(timer);
      return timer;
    },
    setInterval: (callback: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => {
      const timer = setInterval(guard(callback), ms, ...args);
      timers.add(timer);
      return timer;
    },
    setImmediate: (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
      const guarded = guard(callback);
      const immediate = setImmediate(() => {
        immediates.delete(immediate);
        guarded(...args);
      });
      immediates.add(immediate);
      return immediate;
    },
    queueMicrotask: (callback: () => void) => queueMicrotask(guard(callback)),
  };
  for (const [each, value] of Object.entries(hidden)) {
    Object.defineProperty(context, each, { value, writable: true, configurable: true, enumerable: false });
  }
  const offers = offersOf((globalThis as Record<symbol, unknown>)[OFFERED]);
  const offered = Object.keys(offers);
  for (const each of offered) offer(context, each, () => offers[each]);
  const stopTimers = () => {
    for (const timer of timers) clearTimeout(timer);
    for (const immediate of immediates) clearImmediate(immediate);
  };
  return { context, offered, stopTimers };
}

/** Defines a name that is read anew each time. Once typed code assigns to it, the name is its own. */
function offer(context: object, name: string, get: () => unknown): void {
  Object.defineProperty(context, name, {
    get,
    set: (value) => {
      Object.defineProperty(context, name, { value, writable: true, configurable: true, enumerable: true });
    },
    configurable: true,
    enumerable: true,
  });
}

/** An app offers an object, or a function that returns one. */
function offersOf(value: unknown): Record<string, unknown> {
  try {
    const offers: unknown = typeof value === 'function' ? value() : value;
    return typeof offers === 'object' && offers !== null ? (offers as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** `import()` with the app's own loader, so that it finds the app's modules; paths are relative to the working directory. */
function importer(): (specifier: string) => Promise<unknown> {
  let load: ((specifier: string) => Promise<unknown>) | undefined;
  return (specifier) =>
    withoutWarning(() => {
      load ??= compileImport();
      return load(/^[./]/.test(specifier) ? pathToFileURL(resolve(specifier)).href : specifier);
    });
}

function compileImport(): (specifier: string) => Promise<unknown> {
  const { USE_MAIN_CONTEXT_DEFAULT_LOADER } = constants as unknown as { USE_MAIN_CONTEXT_DEFAULT_LOADER?: symbol };
  return new Script('(specifier) => import(specifier)', {
    importModuleDynamically: USE_MAIN_CONTEXT_DEFAULT_LOADER as never,
  }).runInThisContext() as (specifier: string) => Promise<unknown>;
}

/** Keeps Node's warning about an experimental feature out of the app's log. */
function withoutWarning<T>(act: () => T): T {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return act();
  } finally {
    process.emitWarning = emitWarning;
  }
}
