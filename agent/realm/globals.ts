// The agent's own timers, clock and `process`, in place of Node's globals. An app may have replaced those (fake timers, zone.js), and
// then a deadline may never come. The build gives these names to all of the agent's code (esbuild's `inject`).
import { Socket } from 'node:net';
import * as replaceable from 'node:timers';
import { methodsOf } from './emitter.ts';

/** lib/internal/timers.js: what `setTimeout` makes; `refresh` starts it, `close` stops it. */
type NodesTimeout = new (
  callback: () => void,
  ms: number,
  args: undefined,
  repeats: boolean,
  keepsAlive: boolean,
) => NodeJS.Timeout;

const LONGEST_MS = 2 ** 31 - 1;
/** The source of a function, by this realm's `toString`, because the app may have replaced its own. */
const sourceOf = (fn: unknown): string => Reflect.apply(Function.prototype.toString, fn, []) as string;

const Timeout = findTimeout();
const immediately = replaceable.setImmediate;
const hasImmediates = /\bnew Immediate\(/.test(sourceOf(immediately));

/**
 * Node's own class of timers. Node itself makes one for a socket's idle timeout (lib/internal/stream_base_commons.js,
 * setStreamTimeout), even if the app has replaced `setTimeout`.
 */
function findTimeout(): NodesTimeout | undefined {
  try {
    const socket: Record<string | symbol, unknown> = { _onTimeout() {} };
    Reflect.apply(Socket.prototype.setTimeout, socket, [LONGEST_MS]);
    const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'timeout');
    const timer = symbol && (socket[symbol] as NodeJS.Timeout);
    timer?.close();
    const found = timer?.constructor;
    return /^class Timeout\b/.test(sourceOf(found)) ? (found as unknown as NodesTimeout) : undefined;
  } catch {
    return undefined;
  }
}

/** @param ms as `setTimeout` and `setInterval` take it */
function start(callback: () => void, ms: number, repeats: boolean): NodeJS.Timeout {
  const safe = () => {
    try {
      callback();
    } catch {
      // Nothing of ours may throw into the app.
    }
  };
  if (Timeout) return new Timeout(safe, ms, undefined, repeats, true).refresh();
  return repeats ? replaceable.setInterval(safe, ms) : replaceable.setTimeout(safe, ms);
}

export function setTimeout<A extends unknown[]>(callback: (...args: A) => void, ms = 1, ...args: A): NodeJS.Timeout {
  return start(() => callback(...args), ms, false);
}

export function setInterval(callback: () => void, ms: number): NodeJS.Timeout {
  return start(callback, ms, true);
}

export function clearTimeout(timer: NodeJS.Timeout | undefined): void {
  timer?.close();
}

export const clearInterval = clearTimeout;

export function setImmediate<A extends unknown[]>(callback: (...args: A) => void, ...args: A): { unref(): unknown } {
  return hasImmediates ? immediately(callback, ...args) : setTimeout(callback, 1, ...args);
}

// `process.uptime` is part of Node's C++. Else use the date: clocks go backwards less often than apps replace `performance`.
const uptime = /\[native code\]/.test(sourceOf(process.uptime)) ? process.uptime : undefined;
const now = uptime ? () => uptime() * 1000 : () => Date.now();

export const performance = { now, timeOrigin: Date.now() - now() };

// In this file, `process` is the app's own. The proxy passes writes on to it.
const methods = methodsOf(process, () => own);
const own: NodeJS.Process = new Proxy(process, {
  get: (target, name) => methods[name] ?? (Reflect.get(target, name, target) as unknown),
});

export { own as process };
