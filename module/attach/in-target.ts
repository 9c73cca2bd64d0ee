// The text that is evaluated inside an app: it proves who the peer is, finds out whether the app is in the middle of
// something, and loads the agent. Written as text because a function's own text would carry the helpers of the compiler.

import { ARM_CLOSER, tableOf } from './closer.ts';
import type { Endpoint } from './inspector.ts';
import { inOwnRealm, OWN_TIMERS } from './ownRealm.ts';

/** What the process says about itself. */
export interface Proof {
  pid: number;
  version: string;
  /** `process.getBuiltinModule` exists (from Node 20.16 and 22.3 on), so nothing else is needed for `require`. */
  builtin: boolean;
}

export const PROOF = `({
  pid: process.pid,
  version: process.version,
  builtin: typeof process.getBuiltinModule === 'function',
})`;

/** The outcome of a step of a load, as JSON: it ran, or it failed, or the app was in the middle of something (or that could not
 * be told), or it is going to run in a turn of its own. */
export type LoadOutcome =
  | { value: unknown; heldMs: number }
  | { failed: string }
  | { busy: true }
  | { opaque: true }
  | { pending: true };

/** Nested calls of the evaluation itself where it counts: counter, what runs in our realm, what made it, script. */
const OWN_FRAMES = 4;

// Counts the call stack's frames by a thrown error. It is one of our realm, so the app does not format it.
const COUNT_FRAMES = `function countFrames() {
  Error.stackTraceLimit = 10;
  Error.prepareStackTrace = function (_, sites) { return sites.length; };
  try { null.frames; } catch (error) {
    var count = error.stack;
    delete Error.prepareStackTrace;
    return typeof count !== 'number' || count < ${OWN_FRAMES} ? -1 : count - ${OWN_FRAMES - 1};
  }
}`;

// What an app's asynchronous context leaves on whatever is created in it, such as a timer: a store (Node 20, 22) or a frame
// (24 on). An empty call stack does not mean that there is none: V8 keeps it between two microtasks of the same request.
const CARRIES = `function carries(timer) {
  return Object.getOwnPropertySymbols(timer).some(function (symbol) {
    return /^(kResourceStore|kAsyncContextFrame)$/.test(symbol.description) && timer[symbol] !== undefined;
  });
}
function inSomeonesContext() {
  var timer = newTimer(function () {}, 1e6);
  timer.close();
  return carries(timer);
}`;

/** Where a turn of its own leaves its outcome until it is asked for. */
const OUTCOME = "'pm2-ops.outcome'";

// A server at its limit is hardly ever between two events when it is looked at. Then it is asked for a turn of its own:
// a timer that carries nothing over from the request in whose middle it was set. Where that cannot be seen to be so, or
// comes too late, nothing is loaded. Its outcome is asked for later: V8 may take a promise for collected.
const IN_A_TURN_OF_ITS_OWN = `function inOwnTurn(timeoutMs, run) {
  var hooks = require('node:async_hooks');
  var began = process.uptime();
  var turn = {};
  Object.defineProperty(process, ${OUTCOME}, { value: turn, configurable: true });
  var timer = newTimer(function () {
    if ((process.uptime() - began) * 1e3 > timeoutMs) {
      if (process[${OUTCOME}] === turn) delete process[${OUTCOME}];
      return;
    }
    if (!detached || carries(timer) || hooks.executionAsyncResource() !== timer) turn.outcome = '{"busy":true}';
    else try {
      turn.outcome = run();
    } catch (error) {
      turn.outcome = JSON.stringify({ failed: String((error && error.stack) || error) });
    }
  }, 0);
  var detached = detach(timer);
  timer.refresh();
  return '{"pending":true}';
}`;

/** Takes the outcome of a turn of its own: LoadOutcome as JSON, undefined as long as it has not come. */
export const OUTCOME_EXPRESSION = `(function () {
  var turn = process[${OUTCOME}];
  if (turn && turn.outcome !== undefined) delete process[${OUTCOME}];
  return turn && turn.outcome;
})()`;

/** Where a script that was compiled waits for the evaluation that starts it, and for how long at most. */
const PREPARED = "'pm2-ops.prepared'";
const PREPARED_MS = 5000;

/**
 * Compiles a script when the app is between two events, and keeps it for `loadExpression`; answers a LoadOutcome as JSON.
 * The script is started by an evaluation of its own, so that the app's event loop turns in between.
 * @param ownTurnMs within which the app is to give it a turn of its own; null for now or not at all
 */
export function prepareExpression(source: string, ownTurnMs: number | null): string {
  const body = `${COUNT_FRAMES}
  ${OWN_TIMERS}
  ${ARM_CLOSER}
  ${CARRIES}
  ${IN_A_TURN_OF_ITS_OWN}
  var module = { exports: {} };
  var prepared = { load: function (argument, closing, ownTurnMs) {
    var frames = countFrames();
    function load() {
      var began = process.uptime();
      drop();
      if (closing) armCloser(closing.port, closing.table);
      var value = module.exports.install(JSON.parse(argument).argument);
      return JSON.stringify({ value: value === undefined ? null : value, heldMs: (process.uptime() - began) * 1e3 });
    }
    if (frames === 1 && !inSomeonesContext()) return load();
    if (ownTurnMs !== null) return inOwnTurn(ownTurnMs, load);
    return frames < 0 ? '{"opaque":true}' : '{"busy":true}';
  } };
  var timer;
  function drop() {
    timer.close();
    if (process[${PREPARED}] === prepared) delete process[${PREPARED}];
  }
  function prepare() {
    var began = process.uptime();
    script(module, module.exports, require, realm);
    if (typeof module.exports.prepare === 'function') module.exports.prepare();
    timer = newTimer(drop, ${PREPARED_MS});
    detach(timer);
    timer.refresh().unref();
    Object.defineProperty(process, ${PREPARED}, { value: prepared, configurable: true });
    return JSON.stringify({ value: null, heldMs: (process.uptime() - began) * 1e3 });
  }
  var frames = countFrames();
  if (frames === 1 && !inSomeonesContext()) return prepare();
  ${ownTurnMs === null ? '' : `return inOwnTurn(${ownTurnMs}, prepare);`}
  return frames < 0 ? '{"opaque":true}' : '{"busy":true}';`;
  const script = `function (module, exports, require, realm) {\n${source}\n}`;
  return inOwnRealm(body, { name: 'script', expression: script });
}

/**
 * Starts the script that waits in the app, when the app is between two events; answers a LoadOutcome as JSON.
 * @param closing where the inspector listens that is to be closed when the session has ended; null for one that stays open
 * @param ownTurnMs as for `prepareExpression`
 */
export function loadExpression(argument: unknown, closing: Endpoint | null, ownTurnMs: number | null): string {
  const json = JSON.stringify(JSON.stringify({ argument }));
  const close = closing && JSON.stringify({ port: closing.port, table: tableOf(closing) });
  // As many calls deep as what runs in our realm by inOwnRealm.
  return `(function () {
  var prepared = process[${PREPARED}];
  return prepared ? prepared.load(${json}, ${close}, ${ownTurnMs}) : '{"busy":true}';
})()`;
}

/** What Node's cluster hangs on a worker that had not come online when its primary was told to be debugged. */
const HANDED_ON = 'process._debugProcess(this.process.pid)';

/** Has a primary that forked in the very moment of the signal forget that it was to hand it on to its workers. */
export const SPARE_WORKERS_EXPRESSION = inOwnRealm(`var workers = require('node:cluster').workers || {};
  Object.keys(workers).forEach(function (id) {
    var worker = workers[id];
    worker.listeners('online').forEach(function (listener) {
      if (String(listener).indexOf('${HANDED_ON}') >= 0) worker.removeListener('online', listener);
    });
  });`);
