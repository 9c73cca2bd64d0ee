// Tells whether the app handles a signal, or PM2's messages, itself. The agent counts the current listeners, without those that leave
// the decision to others.
import cluster from 'node:cluster';

/** Marks every listener of ours, in all copies and versions of the agent. */
const OURS = Symbol.for('pm2-ops.listener');

/** Marks a listener as ours. */
export function ours<F extends (...args: never[]) => unknown>(listener: F): F {
  Object.defineProperty(listener, OURS, { value: true });
  return listener;
}

/**
 * The listener of `signal-exit` cleans up, and sends the signal again if it finds no other listener. Its code gives it away,
 * because bundles may give it any name.
 */
const PASSES_SIGNAL_ON = [/\blisteners\(/, /\bkill\(/];

/** Listeners of tx2 and pmx, which answer the app's own actions. */
const TAKES_ACTIONS = /\baction_name\b/;

/** Listeners to messages of PM2, of its instrumentation libraries, and of Node. */
const NOT_THE_APPS = [
  // lib/ProcessContainer.js
  /log:reload/,
  // @pm2/io, and PM2's own copy of it: IPCTransport
  /Received reverse message from IPC/,
  // Node itself, for `cluster.worker` (lib/internal/cluster/worker.js)
  /^\(message, handle\) =>\s*this\.emit\('message', message, handle\)$/,
  TAKES_ACTIONS,
];

/** Does the app have a handler of its own for that signal? */
export function appHandlesSignal(signal: NodeJS.Signals): boolean {
  return listenersTo(signal).some((listener) =>
    isForeign(listener, (source) => PASSES_SIGNAL_ON.every((trait) => trait.test(source))),
  );
}

/** Does the app listen to messages itself, so that `shutdown` may mean something to it? */
export function appHandlesMessages(): boolean {
  if ((cluster.worker?.listenerCount('message') ?? 0) > 0) return true;
  return listenersTo('message').some(isAppsMessageListener);
}

/** Is a listener to `message` the app's, and not PM2's, Node's or ours? */
export function isAppsMessageListener(listener: unknown): boolean {
  return isForeign(listener, (source) => NOT_THE_APPS.some((trait) => trait.test(source)));
}

/** Does the app have actions of its own, through a library of PM2's? */
export function appTakesActions(): boolean {
  return listenersTo('message').some((listener) => TAKES_ACTIONS.test(sourceOf(listener)));
}

function isForeign(listener: unknown, passesOn: (source: string) => boolean): boolean {
  return typeof listener === 'function' && !(OURS in listener) && !passesOn(sourceOf(listener));
}

/** Signals and `message` alike, which Node's types keep apart. */
function listenersTo(event: string): unknown[] {
  return (process as NodeJS.EventEmitter).listeners(event);
}

function sourceOf(listener: unknown): string {
  return Function.prototype.toString.call(listener);
}
