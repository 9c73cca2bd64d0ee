// The text that is evaluated inside an app: it proves who the peer is, finds out whether the app is in the middle of
// something, loads the agent, and closes the inspector once nobody is connected to it. Written as text because a
// function's own text would carry the helpers of whatever compiled it.

import type { Endpoint } from './inspector.ts';

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

/** The outcome of a load, as JSON: it ran, or it failed, or the app was in the middle of something (or that could not be
 * told), or it is going to run in a turn of its own. */
export type LoadOutcome =
  | { value: unknown; heldMs: number }
  | { failed: string }
  | { busy: true }
  | { opaque: true }
  | { pending: true };

/** Nested calls of the evaluation itself where it counts: counter, wrapper, script. */
const OWN_FRAMES = 3;

// Counts the call stack's frames by a thrown error, whose formatting the app may have overridden or frozen.
const COUNT_FRAMES = `function countFrames() {
  var limit = Object.getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  var prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  var count = -1;
  var restore = function (name, descriptor) {
    try {
      if (descriptor) Object.defineProperty(Error, name, descriptor);
      else delete Error[name];
    } catch (_) {}
  };
  try {
    Error.stackTraceLimit = 10;
    Error.prepareStackTrace = function (_, sites) { return sites; };
    if (Error.stackTraceLimit >= 10) {
      try { null.frames; } catch (error) {
        var stack = error.stack;
        if (Array.isArray(stack)) count = stack.length;
        else if (typeof stack === 'string') count = stack.split(/\\n\\s+at /).length - 1;
      }
    }
  } catch (_) {}
  restore('stackTraceLimit', limit);
  restore('prepareStackTrace', prepare);
  if (count < ${OWN_FRAMES}) {
    try { count = process.getBuiltinModule('util').getCallSites(10).length; } catch (_) {}
  }
  return count < ${OWN_FRAMES} ? -1 : count - ${OWN_FRAMES - 1};
}`;

// Node's own require, in CommonJS and ES modules alike.
const PICK_REQUIRE = `function pickRequire(fromConsole) {
  if (typeof process.getBuiltinModule === 'function') return process.getBuiltinModule('module').createRequire('/');
  if (fromConsole) return fromConsole;
  return function (id) { return process.mainModule.require(id); };
}`;

const CONSOLE_REQUIRE = "typeof require === 'function' ? require : null";

/** Whether a socket table has a connection to a port: anything there but listening and what is only remembered. */
const HAS_CONNECTION = `function hasConnection(table, port) {
  var suffix = ':' + ('000' + port.toString(16).toUpperCase()).slice(-4) + ' ';
  for (var at = table.indexOf(suffix); at >= 0; at = table.indexOf(suffix, at + 1)) {
    var line = table.slice(table.lastIndexOf('\\n', at) + 1, table.indexOf('\\n', at));
    var fields = line.trim().split(/\\s+/);
    if (fields[1].slice(-5) + ' ' === suffix && fields[3] !== '0A' && fields[3] !== '06' && fields[9] !== '0') return true;
  }
  return false;
}`;

/** How long the app looks for the moment when nobody is connected any more, in milliseconds. */
const CLOSER_MS = 2000;

// Closing the inspector blocks the app for as long as anybody is connected to it. So the app itself waits, without
// blocking, until nobody is, and closes it then; timers and reads of this neither block nor keep the app alive.
// With `reopens` it waits for one that is closed now and will open once more. Its timers leave the request's context behind
// in whose middle they may be set.
const ARM_CLOSER = `function armCloser(require, port, table, reopens) {
  ${HAS_CONNECTION}
  var inspector = require('node:inspector');
  var fs = require('node:fs');
  function later(run, ms) {
    var timer = require('node:timers').setTimeout(run, ms);
    Object.getOwnPropertySymbols(timer).forEach(function (symbol) {
      if (symbol.description === 'kResourceStore') delete timer[symbol];
      if (symbol.description === 'kAsyncContextFrame') timer[symbol] = undefined;
    });
    return timer;
  }
  var url = inspector.url();
  var waited = 0;
  var pause = 1;
  function again() {
    if (waited >= ${CLOSER_MS}) return;
    waited += pause;
    later(look, pause).unref();
    pause = Math.min(pause * 2, 100);
  }
  function stillOurs() { return reopens ? inspector.url() !== undefined : url !== undefined && inspector.url() === url; }
  // The end of a table shows by a short piece; asking for more would take the kernel as long as the rest did.
  function readTable(done) {
    fs.open('/proc/self/net/' + table, 'r', function (missing, fd) {
      if (missing) return;
      var text = '';
      var bytes = Buffer.allocUnsafe(65536);
      (function next() {
        fs.read(fd, bytes, 0, bytes.length, null, function (failed, length) {
          if (!failed) text += bytes.latin1Slice(0, length);
          if (!failed && length >= 3800) return next();
          fs.close(fd, function () { if (!failed) done(text); });
        });
      })();
    });
  }
  function look() {
    if (!stillOurs()) {
      if (reopens) again();
      return;
    }
    readTable(function (text) {
      try {
        if (!stillOurs()) return;
        if (hasConnection(text, port)) again();
        else inspector.close();
      } catch (_) {}
    });
  }
  again();
}`;

/** The kernel's table that shows connections to a socket: those to an IPv6 one are in the other, whatever they speak. */
function tableOf({ host }: Endpoint): 'tcp' | 'tcp6' {
  return host.includes(':') ? 'tcp6' : 'tcp';
}

// What an app's asynchronous context leaves on whatever is created in it, such as a timer: a store (Node 20, 22) or a frame
// (24 on). An empty call stack does not mean that there is none: V8 keeps it between two microtasks of the same request.
const CARRIES = `function carries(timer) {
  return Object.getOwnPropertySymbols(timer).some(function (symbol) {
    return /^(kResourceStore|kAsyncContextFrame)$/.test(symbol.description) && timer[symbol] !== undefined;
  });
}
function inSomeonesContext(require) {
  var timers = require('node:timers');
  var timer = timers.setTimeout(function () {}, 1e6);
  timers.clearTimeout(timer);
  return carries(timer);
}`;

/** Where a turn of its own leaves its outcome until it is asked for. */
const OUTCOME = "Symbol.for('pm2-ops.outcome')";

// A server at its limit is hardly ever between two events when it is looked at. Then it is asked for a turn of its own:
// a timer that carries nothing over from the request in whose middle it was set. Where that cannot be seen to be so, or
// comes too late, nothing is loaded. Its outcome is asked for later: V8 may take a promise for collected.
const IN_A_TURN_OF_ITS_OWN = `function inOwnTurn(require, timeoutMs, run) {
  var hooks = require('node:async_hooks');
  var began = process.hrtime();
  var turn = {};
  Object.defineProperty(process, ${OUTCOME}, { value: turn, configurable: true });
  var detached = parseInt(process.versions.node, 10) < 24;
  var timer = require('node:timers').setTimeout(function () {
    var took = process.hrtime(began);
    if (took[0] * 1e3 + took[1] / 1e6 > timeoutMs) {
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
  Object.getOwnPropertySymbols(timer).forEach(function (symbol) {
    if (symbol.description === 'kResourceStore') delete timer[symbol];
    if (symbol.description === 'kAsyncContextFrame') { timer[symbol] = undefined; detached = true; }
  });
  return '{"pending":true}';
}`;

/** Takes the outcome of a turn of its own: LoadOutcome as JSON, undefined as long as it has not come. */
export const OUTCOME_EXPRESSION = `(function () {
  var turn = process[${OUTCOME}];
  if (turn && turn.outcome !== undefined) delete process[${OUTCOME}];
  return turn && turn.outcome;
})()`;

export interface LoadOptions {
  /** Where the inspector listens that is to be closed once it was left; null for one that stays open. */
  closing: Endpoint | null;
  /** Milliseconds within which the app is to give the script a turn of its own; null for now or not at all. */
  ownTurnMs: number | null;
}

/** Loads a script when the app is between two events; answers a LoadOutcome as JSON. */
export function loadExpression(
  load: { source: string; argument: unknown },
  { closing, ownTurnMs }: LoadOptions,
): string {
  return `(function (fromConsole) {
  ${COUNT_FRAMES}
  ${PICK_REQUIRE}
  ${ARM_CLOSER}
  ${CARRIES}
  ${IN_A_TURN_OF_ITS_OWN}
  var frames = countFrames();
  var require = pickRequire(fromConsole);
  function load() {
    var began = process.hrtime();
    ${closing === null ? '' : `armCloser(require, ${closing.port}, ${JSON.stringify(tableOf(closing))});`}
    var module = { exports: {} };
    (function (module, exports, require) {
${load.source}
    })(module, module.exports, require);
    var value = module.exports.install(${JSON.stringify(load.argument) ?? 'undefined'});
    var took = process.hrtime(began);
    return JSON.stringify({ value: value === undefined ? null : value, heldMs: took[0] * 1e3 + took[1] / 1e6 });
  }
  if (frames === 1 && !inSomeonesContext(require)) return load();
  ${ownTurnMs === null ? '' : `return inOwnTurn(require, ${ownTurnMs}, load);`}
  return frames < 0 ? '{"opaque":true}' : '{"busy":true}';
})(${CONSOLE_REQUIRE})`;
}

/** Makes the app close its inspector as soon as nobody is connected to it. */
export function armCloserExpression(closing: Endpoint): string {
  return `(function (fromConsole) {
  ${PICK_REQUIRE}
  ${ARM_CLOSER}
  armCloser(pickRequire(fromConsole), ${closing.port}, ${JSON.stringify(tableOf(closing))});
})(${CONSOLE_REQUIRE})`;
}

/** What Node's cluster hangs on a worker that had not come online when its primary was told to be debugged. */
const HANDED_ON = 'process._debugProcess(this.process.pid)';

/** Has a primary that forked in the very moment of the signal forget that it was to hand it on to its workers. */
export const SPARE_WORKERS_EXPRESSION = `(function (fromConsole) {
  ${PICK_REQUIRE}
  var workers = pickRequire(fromConsole)('node:cluster').workers || {};
  Object.keys(workers).forEach(function (id) {
    var worker = workers[id];
    worker.listeners('online').forEach(function (listener) {
      if (String(listener).indexOf('${HANDED_ON}') >= 0) worker.removeListener('online', listener);
    });
  });
})(${CONSOLE_REQUIRE})`;

/** How long an app whose event loop does not turn may be held until the last connection is gone, in milliseconds. */
const CLOSE_NOW_MS = 50;

/** Closes the inspector in this very call, for an app whose event loop does not turn. To be sent and left at once: it
 * waits for the last connection to be gone, for a moment and never longer. Node opens the inspector once more when the event
 * loop turns, because the signal was also announced to that; so the app closes that one, too. */
export function closeNowExpression(closing: Endpoint): string {
  return `(function (fromConsole) {
  ${PICK_REQUIRE}
  ${HAS_CONNECTION}
  ${ARM_CLOSER}
  var require = pickRequire(fromConsole);
  var inspector = require('node:inspector');
  var fs = require('node:fs');
  var began = process.hrtime();
  for (;;) {
    var held = false;
    try {
      held = hasConnection(fs.readFileSync('/proc/self/net/${tableOf(closing)}', 'latin1'), ${closing.port});
    } catch (_) {}
    if (!held) {
      armCloser(require, ${closing.port}, '${tableOf(closing)}', true);
      return inspector.close();
    }
    var took = process.hrtime(began);
    if (took[0] > 0 || took[1] > ${CLOSE_NOW_MS * 1e6}) return;
  }
})(${CONSOLE_REQUIRE})`;
}
