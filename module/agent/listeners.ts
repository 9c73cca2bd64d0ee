// Does the app handle a signal, or PM2's messages, itself? Counted over the listeners that are there at that moment,
// less those that leave the decision to others.
import cluster from 'node:cluster';

/** On every listener of ours, whichever copy or version of the agent it belongs to. */
const OURS = Symbol.for('pm2-ops.listener');

/** Marks a listener as ours. */
export function ours<F extends (...args: never[]) => unknown>(listener: F): F {
  Object.defineProperty(listener, OURS, { value: true });
  return listener;
}

/**
 * `signal-exit` (and what bundles it) tidies up, and sends the signal again where it finds no other listener: known by
 * what it does, because a function does not tell which package it came from.
 */
const PASSES_SIGNAL_ON = [/\blisteners\(/, /\bkill\(/];

/** Listeners to messages of PM2, of its instrumentation libraries, and of Node. */
const NOT_THE_APPS = [
  // lib/ProcessContainer.js
  /log:reload/,
  // @pm2/io, and PM2's own copy of it: IPCTransport
  /Received reverse message from IPC/,
  // Node itself, for `cluster.worker` (lib/internal/cluster/worker.js)
  /^\(message, handle\) =>\s*this\.emit\('message', message, handle\)$/,
  // tx2 and pmx: actions
  /\baction_name\b/,
];

/** Has the app a handler of its own for that signal? */
export function appHandlesSignal(signal: NodeJS.Signals): boolean {
  return isForeign(signal, (source) => PASSES_SIGNAL_ON.every((trait) => trait.test(source)));
}

/** Does the app listen to messages itself, so that `shutdown` may mean something to it? */
export function appHandlesMessages(): boolean {
  if ((cluster.worker?.listenerCount('message') ?? 0) > 0) return true;
  return isForeign('message', (source) => NOT_THE_APPS.some((trait) => trait.test(source)));
}

function isForeign(event: string, passesOn: (source: string) => boolean): boolean {
  // Not the typed overloads: signals and `message` alike.
  const listeners = (process as NodeJS.EventEmitter).listeners(event);
  return listeners.some((listener) => !(OURS in listener) && !passesOn(Function.prototype.toString.call(listener)));
}
