// The text that the module evaluates inside an app: it proves which process answers, finds out whether the app is in the middle
// of something, loads the agent, and closes the inspector once no client is connected to it. It is written as text, because the
// text of a compiled function would need the compiler's helpers. It runs in a realm of its own, because the app may have replaced
// any built-in of its realm, timers included, and would notice our calls.

import { AGENT_URL } from '../../contract/names.ts';
import type { Endpoint } from './inspector.ts';
import type { Script, ScriptFile } from './script.ts';

const CONSOLE_REQUIRE = "typeof require === 'function' ? require : null";

// Finds a function that loads Node's own modules, `node:process` among them: an app may have put an object of its own in the place of
// the global `process`.
const FIND_LOAD = `function findLoad(fromConsole) {
  try {
    if (typeof process.getBuiltinModule('node:process').pid === 'number') return process.getBuiltinModule;
  } catch (_) {}
  return fromConsole;
}`;

/** What the process says about itself. */
export interface Proof {
  pid: number;
  version: string;
  /** Does the app's `process` have `getBuiltinModule` (Node 20.16 and 22.3 on)? Else evaluations need the console's `require`. */
  builtin: boolean;
}

export const PROOF = proofWith('null');
/** The same for an app whose `process` has no `getBuiltinModule`. */
export const PROOF_BY_CONSOLE = proofWith(CONSOLE_REQUIRE);

function proofWith(fromConsole: string): string {
  return `(function (fromConsole) {
  ${FIND_LOAD}
  var load = findLoad(fromConsole);
  var own = load ? load('node:process') : {};
  return { pid: own.pid, version: own.version, builtin: load !== fromConsole };
})(${fromConsole})`;
}

/** The outcome of a load, as JSON. */
export type LoadOutcome =
  /** The script ran. */
  | { value: unknown; heldMs: number }
  | { failed: string }
  /** The app cannot read the script's file. */
  | { unread: true }
  /** The app was in the middle of something. */
  | { busy: true }
  /** The call stack does not tell whether it was. */
  | { opaque: true }
  /** The script runs in a turn of its own, later. */
  | { pending: true };

/** The evaluation's own frames on the counted stack: the counter, the body in our realm, the function around it, the script. */
const OWN_FRAMES = 4;

// Counts the frames of the call stack with an error of our realm, which no code of the app formats.
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
 * Makes a timer of Node's own class, in the current asynchronous context. A socket's idle timeout reveals that class. The app's
 * `setTimeout` may be a fake, under which time stands still. `detach` removes the asynchronous context from the timer.
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

/**
 * An expression that makes a realm, runs a function in it, and returns its result.
 * @param body the function's body; it can use `require` (of Node's modules), `process`, `Buffer`, `realm` and `passed.name`
 * @param passed one more argument: an expression in the app's realm, and its name in the body
 */
function inOwnRealm(body: string, passed = { name: 'nothing', expression: 'undefined' }): string {
  const code = `(function (require, process, Buffer, realm, ${passed.name}) {\n${body}\n})`;
  return `(function (fromConsole) {
  ${FIND_LOAD}
  var load = findLoad(fromConsole) || function (id) { return process.mainModule.require(id); };
  var vm = load('node:vm');
  var realm = vm.createContext({ __proto__: null }, { __proto__: null, name: 'pm2-ops' });
  var run = new vm.Script(${JSON.stringify(code)}, { __proto__: null, filename: '${AGENT_URL}' }).runInContext(realm);
  return run(load, load('node:process'), load('node:buffer').Buffer, realm, ${passed.expression});
})(${CONSOLE_REQUIRE})`;
}

/** Does a socket table have a connection to a port? Sockets that listen, and those in TIME_WAIT, are none. */
const HAS_CONNECTION = `function hasConnection(table, port) {
  var suffix = ':' + ('000' + port.toString(16).toUpperCase()).slice(-4) + ' ';
  for (var at = table.indexOf(suffix); at >= 0; at = table.indexOf(suffix, at + 1)) {
    var line = table.slice(table.lastIndexOf('\\n', at) + 1, table.indexOf('\\n', at));
    var fields = line.trim().split(/\\s+/);
    if (fields[1].slice(-5) + ' ' === suffix && fields[3] !== '0A' && fields[3] !== '06' && fields[9] !== '0') return true;
  }
  return false;
}`;

/** How long the app waits for the last connection to its inspector to end. */
const CLOSER_MS = 2000;

// `inspector.close()` blocks the app while a client is connected. So the app polls until none is, and closes it then; these timers
// and reads neither block the app nor keep it alive. With `reopens` it waits for an inspector that is closed now and will open
// once more. Its timers are detached, because they may be set in the middle of a request. It reads files with promises, because
// the app may have wrapped the functions that take a callback.
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

/** The kernel's table of connections to a socket: `tcp6` has all connections to an IPv6 socket, IPv4 clients included. */
function tableOf({ host }: Endpoint): 'tcp' | 'tcp6' {
  return host.includes(':') ? 'tcp6' : 'tcp';
}

// Tells whether a timer carries an asynchronous context of the app: a store (Node 20, 22) or a frame (from 24 on). An empty call
// stack is not enough, because V8 keeps the context between two microtasks of the same request.
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

/** The property of `process` that keeps the outcome of a turn of its own until the module asks for it. */
const OUTCOME = "'pm2-ops.outcome'";

// A server at its limit is hardly ever between two events when the module looks. Then the script gets a turn of its own: a timer
// that is detached from the request in whose middle it is set. If that is not certain, or the turn comes too late, nothing is
// loaded. The module polls for the outcome, because V8 may collect a promise while it waits for it.
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

/** Takes the outcome of a turn of its own: a LoadOutcome as JSON, undefined until there is one. */
export const OUTCOME_EXPRESSION = `(function (fromConsole) {
  ${FIND_LOAD}
  var load = findLoad(fromConsole);
  var own = load ? load('node:process') : {};
  var turn = own[${OUTCOME}];
  if (turn && turn.outcome !== undefined) delete own[${OUTCOME}];
  return turn && turn.outcome;
})(${CONSOLE_REQUIRE})`;

// Reads the script from its file: a message of the agent's length costs the app's thread 4 ms (Node 20), and reading the file a
// tenth of that. Null if it is not the file that the module means.
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

// Runs a CommonJS script in our realm, with the app's `globalThis`.
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
  /** Where the inspector listens that the app closes when we have disconnected; null for an inspector that stays open. */
  closing: Endpoint | null;
  /** How long the app may take to give the script a turn of its own; null: load it now or not at all. */
  ownTurnMs: number | null;
}

/**
 * Loads a script if the app is between two events; returns a LoadOutcome as JSON.
 * @param script its text, or the file from which the app reads it
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

/** Has the app close its inspector as soon as no client is connected to it. */
export function armCloserExpression(closing: Endpoint): string {
  return inOwnRealm(`${ARM_CLOSER}
  armCloser(${closing.port}, ${JSON.stringify(tableOf(closing))});`);
}

/** The listener that a primary which gets the signal adds to each worker that is not online yet (Node's cluster). */
const HANDED_ON = 'process._debugProcess(this.process.pid)';

/** Keeps a primary that was signalled from passing the signal on to workers that it has just forked. */
export const SPARE_WORKERS_EXPRESSION = inOwnRealm(`var workers = require('node:cluster').workers || {};
  Object.keys(workers).forEach(function (id) {
    var worker = workers[id];
    worker.listeners('online').forEach(function (listener) {
      if (String(listener).indexOf('${HANDED_ON}') >= 0) worker.removeListener('online', listener);
    });
  });`);

/** How long a forced close may hold an app until the last connection has ended. */
const CLOSE_NOW_MS = 50;

/** Closes the inspector in this very call, for an app whose event loop is blocked. The caller disconnects right after sending it,
 * because it waits for the last connection to end, for `CLOSE_NOW_MS` at most. Node opens the inspector once more when the event
 * loop turns, because the signal has reached the loop, too; so the app also closes that one. */
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
