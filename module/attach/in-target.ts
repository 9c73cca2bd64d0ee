// The text that is evaluated inside an app: it proves who the peer is, finds out whether the app is in the middle of
// something, loads the agent, and closes the inspector once nobody is connected to it. Written as text because a
// function's own text would carry the helpers of whatever compiled it.

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

/** The outcome of a load, as JSON: it ran, or the app was in the middle of something, or that could not be told. */
export type LoadOutcome = { value: unknown; heldMs: number } | { busy: number } | { opaque: true };

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
const ARM_CLOSER = `function armCloser(require, port) {
  ${HAS_CONNECTION}
  var inspector = require('node:inspector');
  var fs = require('node:fs');
  var later = require('node:timers').setTimeout;
  var url = inspector.url();
  var waited = 0;
  var pause = 1;
  function again() {
    if (waited >= ${CLOSER_MS}) return;
    waited += pause;
    later(look, pause).unref();
    pause = Math.min(pause * 2, 100);
  }
  function look() {
    if (!url || inspector.url() !== url) return;
    fs.readFile('/proc/self/net/tcp', 'latin1', function (missing, tcp) {
      if (missing) return;
      fs.readFile('/proc/self/net/tcp6', 'latin1', function (_, tcp6) {
        try {
          if (inspector.url() !== url) return;
          if (hasConnection(tcp, port) || hasConnection(tcp6 || '', port)) again();
          else inspector.close();
        } catch (_) {}
      });
    });
  }
  again();
}`;

/** Loads a script when the app is between two events; see LoadOutcome for what it answers, as JSON. `closePort` is the
 * port of an inspector that is to be closed once it was left, null for one that stays open. */
export function loadExpression(load: { source: string; argument: unknown }, closePort: number | null): string {
  return `(function (fromConsole) {
  ${COUNT_FRAMES}
  ${PICK_REQUIRE}
  ${ARM_CLOSER}
  var began = process.hrtime();
  var frames = countFrames();
  if (frames < 0) return '{"opaque":true}';
  if (frames > 1) return JSON.stringify({ busy: frames });
  var require = pickRequire(fromConsole);
  ${closePort === null ? '' : `armCloser(require, ${closePort});`}
  var module = { exports: {} };
  (function (module, exports, require) {
${load.source}
  })(module, module.exports, require);
  var value = module.exports.install(${JSON.stringify(load.argument) ?? 'undefined'});
  var took = process.hrtime(began);
  return JSON.stringify({ value: value === undefined ? null : value, heldMs: took[0] * 1e3 + took[1] / 1e6 });
})(${CONSOLE_REQUIRE})`;
}

/** Makes the app close its inspector as soon as nobody is connected to it. */
export function armCloserExpression(port: number): string {
  return `(function (fromConsole) {
  ${PICK_REQUIRE}
  ${ARM_CLOSER}
  armCloser(pickRequire(fromConsole), ${port});
})(${CONSOLE_REQUIRE})`;
}

/** How long an app whose event loop does not turn may be held until the last connection is gone, in milliseconds. */
const CLOSE_NOW_MS = 50;

/** Closes the inspector in this very call, for an app whose event loop does not turn. To be sent and left at once: it
 * waits for the last connection to be gone, for a moment and never longer. */
export function closeNowExpression(port: number): string {
  return `(function (fromConsole) {
  ${PICK_REQUIRE}
  ${HAS_CONNECTION}
  var require = pickRequire(fromConsole);
  var inspector = require('node:inspector');
  var fs = require('node:fs');
  var began = process.hrtime();
  for (;;) {
    var held = false;
    try {
      var tcp6 = '';
      try { tcp6 = fs.readFileSync('/proc/self/net/tcp6', 'latin1'); } catch (_) {}
      held = hasConnection(fs.readFileSync('/proc/self/net/tcp', 'latin1'), ${port}) || hasConnection(tcp6, ${port});
    } catch (_) {}
    if (!held) return inspector.close();
    var took = process.hrtime(began);
    if (took[0] > 0 || took[1] > ${CLOSE_NOW_MS * 1e6}) return;
  }
})(${CONSOLE_REQUIRE})`;
}
