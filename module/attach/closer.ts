// The text that closes the inspector inside an app, once its last connection has ended.

import type { Endpoint } from './inspector.ts';
import { inOwnRealm, OWN_TIMERS } from './ownRealm.ts';

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

/** How long the app looks for the moment when the last connection has ended. */
const CLOSER_MS = 2000;

// Closing the inspector blocks the app for as long as a client is connected to it. So the app itself waits, without
// blocking, for the end of the last connection, and closes it then; timers and reads of this neither block nor keep the app alive.
// With `reopens` it waits for one that is closed now and will open once more. Its timers leave the request's context behind
// in whose middle they may be set. Files are read by promises, since the app may have wrapped what takes a callback.
export const ARM_CLOSER = `function armCloser(port, table, reopens) {
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
export function tableOf({ host }: Endpoint): 'tcp' | 'tcp6' {
  return host.includes(':') ? 'tcp6' : 'tcp';
}

/** Makes the app close its inspector as soon as its last connection has ended. */
export function armCloserExpression(closing: Endpoint): string {
  return inOwnRealm(`${ARM_CLOSER}
  armCloser(${closing.port}, ${JSON.stringify(tableOf(closing))});`);
}

/** How long an app whose event loop does not turn may be held until the last connection is gone. */
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
