// The text that is evaluated inside an app: it proves who the peer is, finds out whether the app is in the middle of
// something, loads the agent, and closes the inspector once nobody is connected to it. Written as text because a
// function's own text would carry the helpers of whatever compiled it. It runs in a realm of its own, because an app may have
// replaced any built-in of its realm, timers included, and would notice our calls of those.

import { AGENT_URL } from '../../contract/names.ts';
import type { Endpoint } from './inspector.ts';
import type { Script, ScriptFile } from './script.ts';

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

/** The outcome of a load, as JSON: it ran, or it failed, or the app cannot read the script's file, or the app was in the middle of
 * something (or that could not be told), or it is going to run in a turn of its own. */
export type LoadOutcome =
  | { value: unknown; heldMs: number }
  | { failed: string }
  | { unread: true }
  | { busy: true }
  | { opaque: true }
  | { pending: true };

/** Nested calls of the evaluation itself where it counts: counter, what runs in our realm, what made it, script. */
const OWN_FRAMES = 4;

// Counts the call stack's frames by a thrown error. It is one of our realm, so nobody else formats it.
const COUNT_FRAMES = `function countFrames() {
  Error.stackTraceLimit = 10;
  Error.prepareStackTrace = function (_, sites) { return sites.length; };
  try { null.frames; } catch (error) {
    var count = error.stack;
    delete Error.prepareStackTrace;
    return typeof count !== 'number' || count < ${OWN_FRAMES} ? -1 : count - ${OWN_FRAMES - 1};
  }
}`;

/**
 * Node's own timer, carrying whatever asynchronous context it is made in. Its class is had from the idle time of a socket,
 * which is inside Node: `setTimeout` may be a fake, under which the time never comes.
 */
const OWN_TIMERS = `function newTimer(run, ms) {
  try {
    var socket = { _onTimeout: function () {} };
    Reflect.apply(require('node:net').Socket.prototype.setTimeout, socket, [1e9]);
    var timer = socket[Object.getOwnPropertySymbols(socket).find(function (symbol) { return symbol.description === 'timeout'; })];
    timer.close();
    return new timer.constructor(run, ms, undefined, false, true);
  } catch (_) {
    return require('node:timers').setTimeout(run, ms);
  }
}
// It carries nothing over from what is running.
function detach(timer) {
  var detached = parseInt(process.versions.node, 10) < 24;
  Object.getOwnPropertySymbols(timer).forEach(function (symbol) {
    if (symbol.description === 'kResourceStore') delete timer[symbol];
    if (symbol.description === 'kAsyncContextFrame') { timer[symbol] = undefined; detached = true; }
  });
  return detached;
}`;

const CONSOLE_REQUIRE = "typeof require === 'function' ? require : null";

/**
 * An expression that runs a function in a realm of its own, which is made for that, and returns what it returns.
 * @param body of the function; it has `require` (of Node's modules), `process`, `Buffer` and `realm`, and what is passed to it
 * @param passed one more argument, an expression in the app's realm, and its name
 */
function inOwnRealm(body: string, passed = { name: 'nothing', expression: 'undefined' }): string {
  const code = `(function (require, process, Buffer, realm, ${passed.name}) {\n${body}\n})`;
  return `(function (fromConsole) {
  var load = process.getBuiltinModule;
  if (typeof load !== 'function') load = fromConsole || function (id) { return process.mainModule.require(id); };
  var vm = load('node:vm');
  var realm = vm.createContext({ __proto__: null }, { __proto__: null, name: 'pm2-ops' });
  var run = new vm.Script(${JSON.stringify(code)}, { __proto__: null, filename: '${AGENT_URL}' }).runInContext(realm);
  return run(load, load('node:process'), load('node:buffer').Buffer, realm, ${passed.expression});
})(${CONSOLE_REQUIRE})`;
}

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
// in whose middle they may be set. Files are read by promises, since the app may have wrapped what takes a callback.
const ARM_CLOSER = `function armCloser(port, table, reopens) {
  ${HAS_CONNECTION}
  ${OWN_TIMERS}
  var inspector = require('node:inspector');
  var promises = require('node:fs').promises;
  function then(promise, done, failed) {
    Reflect.apply(Promise.prototype.then, promise, [
      function (value) { try { done(value); } catch (_) {} },
      failed || function () {},
    ]);
  }
  var url = inspector.url();
  var waited = 0;
  var pause = 1;
  function again() {
    if (waited >= ${CLOSER_MS}) return;
    waited += pause;
    var timer = newTimer(function () { try { look(); } catch (_) {} }, pause);
    detach(timer);
    timer.refresh().unref();
    pause = Math.min(pause * 2, 100);
  }
  function stillOurs() { return reopens ? inspector.url() !== undefined : url !== undefined && inspector.url() === url; }
  // The end of a table shows by a short piece; asking for more would take the kernel as long as the rest did.
  function readTable(done) {
    then(promises.open('/proc/self/net/' + table, 'r'), function (file) {
      var text = '';
      var bytes = Buffer.allocUnsafe(65536);
      function end(read) {
        then(file.close(), function () { if (read) done(text); });
      }
      (function next() {
        then(file.read(bytes, 0, bytes.length, null), function (piece) {
          text += bytes.latin1Slice(0, piece.bytesRead);
          if (piece.bytesRead >= 3800) return next();
          end(true);
        }, function () { end(false); });
      })();
    });
  }
  function look() {
    if (!stillOurs()) {
      if (reopens) again();
      return;
    }
    readTable(function (text) {
      if (!stillOurs()) return;
      if (hasConnection(text, port)) again();
      else inspector.close();
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

// A message as long as the agent takes the app's own thread 4 ms (Node 20), and reading the file a tenth of that. Null when it is
// not the file that the module means.
const READ_SCRIPT = `function readScript(file) {
  var fs = require('node:fs');
  var fd;
  try {
    fd = fs.openSync(file.path, 'r');
  } catch (_) {
    return null;
  }
  try {
    var stat = fs.fstatSync(fd);
    if (stat.dev !== file.dev || stat.ino !== file.ino || stat.size !== file.bytes || stat.mtimeMs !== file.mtimeMs) return null;
    var text = fs.readFileSync(fd, 'latin1');
    return text.length === file.bytes ? text : null;
  } catch (_) {
    return null;
  } finally {
    fs.closeSync(fd);
  }
}`;

// Runs a CommonJS script in our realm; its `globalThis` is the app's.
const RUN_SCRIPT = `function runScript(source, global) {
  var vm = require('node:vm');
  function run(code, filename) {
    return new vm.Script(code, { __proto__: null, filename: filename }).runInContext(realm);
  }
  var module = { exports: {} };
  var code = '(function (module, exports, require, process, Buffer, globalThis, run) {' + source + '\\n})';
  run(code, '${AGENT_URL}')(module, module.exports, require, process, Buffer, global, run);
  return module.exports;
}`;

export interface LoadOptions {
  /** Where the inspector listens that is to be closed once it was left; null for one that stays open. */
  closing: Endpoint | null;
  /** Milliseconds within which the app is to give the script a turn of its own; null for now or not at all. */
  ownTurnMs: number | null;
}

/**
 * Loads a script when the app is between two events; answers a LoadOutcome as JSON.
 * @param script its text, or the file from which the app is to read it
 */
export function loadExpression(
  script: { source: Script['source'] } | { file: ScriptFile },
  argument: unknown,
  { closing, ownTurnMs }: LoadOptions,
): string {
  const body = `${COUNT_FRAMES}
  ${OWN_TIMERS}
  ${ARM_CLOSER}
  ${CARRIES}
  ${IN_A_TURN_OF_ITS_OWN}
  ${READ_SCRIPT}
  ${RUN_SCRIPT}
  var frames = countFrames();
  function load() {
    var began = process.uptime();
    var source = ${'source' in script ? 'app.source' : `readScript(${JSON.stringify(script.file)})`};
    if (source === null) return '{"unread":true}';
    ${closing === null ? '' : `armCloser(${closing.port}, ${JSON.stringify(tableOf(closing))});`}
    var value = runScript(source, app.global).install(${JSON.stringify(argument) ?? 'undefined'});
    return JSON.stringify({ value: value === undefined ? null : value, heldMs: (process.uptime() - began) * 1e3 });
  }
  if (frames === 1 && !inSomeonesContext()) return load();
  ${ownTurnMs === null ? '' : `return inOwnTurn(${ownTurnMs}, load);`}
  return frames < 0 ? '{"opaque":true}' : '{"busy":true}';`;
  const source = 'source' in script ? JSON.stringify(script.source) : 'null';
  return inOwnRealm(body, { name: 'app', expression: `{ __proto__: null, global: globalThis, source: ${source} }` });
}

/** Makes the app close its inspector as soon as nobody is connected to it. */
export function armCloserExpression(closing: Endpoint): string {
  return inOwnRealm(`${ARM_CLOSER}
  armCloser(${closing.port}, ${JSON.stringify(tableOf(closing))});`);
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

/** How long an app whose event loop does not turn may be held until the last connection is gone, in milliseconds. */
const CLOSE_NOW_MS = 50;

/** Closes the inspector in this very call, for an app whose event loop does not turn. To be sent and left at once: it
 * waits for the last connection to be gone, for a moment and never longer. Node opens the inspector once more when the event
 * loop turns, because the signal was also announced to that; so the app closes that one, too. */
export function closeNowExpression(closing: Endpoint): string {
  return inOwnRealm(`${HAS_CONNECTION}
  ${ARM_CLOSER}
  var inspector = require('node:inspector');
  var fs = require('node:fs');
  var began = process.uptime();
  for (;;) {
    var held = false;
    try {
      held = hasConnection(fs.readFileSync('/proc/self/net/${tableOf(closing)}', 'latin1'), ${closing.port});
    } catch (_) {}
    if (!held) {
      armCloser(${closing.port}, '${tableOf(closing)}', true);
      return inspector.close();
    }
    if ((process.uptime() - began) * 1e3 > ${CLOSE_NOW_MS}) return;
  }`);
}
