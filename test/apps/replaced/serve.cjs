// The server of every app here. It ends at any error that reaches it, and tells what code of pm2-ops called in it.
// By name, the first call stack.
const heard = {};
let within = false;
const { captureStackTrace } = Error;
const { apply, construct } = Reflect;

/** Replaces a function by one that passes on, and notes whether it is code of pm2-ops that calls it. */
exports.listenIn = (object, name, label = name) => {
  const original = object[name];
  Object.defineProperty(object, name, {
    configurable: true,
    writable: true,
    enumerable: Object.getOwnPropertyDescriptor(object, name)?.enumerable ?? false,
    value: function (...args) {
      if (!within) {
        within = true;
        const limit = Error.stackTraceLimit;
        Error.stackTraceLimit = 50;
        const trace = {};
        captureStackTrace(trace);
        const { stack } = trace;
        Error.stackTraceLimit = limit;
        const callers = stack.split('\n').slice(1);
        // Behind this file, and the library whose functions these are.
        const caller = callers.find((frame) => !/serve\.cjs|node_modules|\(<anonymous>\)/.test(frame));
        if (caller?.includes('pm2-ops:')) {
          heard[label] ??= callers.slice(0, 8).join(' < ');
        }
        within = false;
      }
      return new.target ? construct(original, args, new.target) : apply(original, this, args);
    },
  });
};

exports.serve = () => {
  process.on('unhandledRejection', (reason) => {
    process._rawDebug('unhandled', reason);
    process.exit(11);
  });
  process.on('uncaughtException', (error) => {
    process._rawDebug('uncaught', error);
    process.exit(12);
  });
  const stringify = JSON.stringify;
  const { pbkdf2 } = require('node:crypto');
  const server = require('node:http').createServer((request, response) => {
    const answer = () => response.end(stringify({ pid: process.pid, heard }));
    if (request.url !== '/slow') return answer();
    response.writeProcessing();
    // Slow without a timer, which may be a fake one.
    pbkdf2('', '', 3_000_000, 64, 'sha512', answer);
  });
  server.listen(Number(process.env.PORT), '127.0.0.1');
};
