// A service that ends in every way, by path: `/throw`, `/reject`, `/exit`, `/dry`, `/signal`, and that does a few other things to
// the recorder of its end. HANDLES: what it listens to itself; `exit-throws`, `own-exit`.
const http = require('node:http');
const handles = (process.env.HANDLES ?? '').split(',');

if (handles.includes('uncaughtException')) process.on('uncaughtException', () => {});
if (handles.includes('unhandledRejection')) process.on('unhandledRejection', () => {});
if (handles.includes('exit-throws'))
  process.on('exit', () => {
    throw new Error('in its own exit listener');
  });
if (handles.includes('own-exit')) {
  const { exit } = process;
  process.exit = function ownExit(code) {
    return exit.call(process, code);
  };
}

function fail() {
  throw new TypeError('the price is missing');
}

const ENDS = {
  '/throw': () => setImmediate(fail),
  '/reject': () => void Promise.reject(new Error('nobody waits for this')),
  '/reject-text': () => void Promise.reject('a text'),
  '/exit': () =>
    setImmediate(function leave() {
      process.exit(7);
    }),
  '/exit-code': () => {
    process.exitCode = 3;
    ENDS['/dry']();
  },
  '/dry': () => {
    process.channel?.unref();
    server.close();
    server.closeAllConnections();
  },
  '/signal': () => setImmediate(() => process.kill(process.pid, 'SIGKILL')),
  '/once': () => process.once('unhandledRejection', () => {}),
  '/throw-and-abort': () => {
    process.on('uncaughtException', () => process.kill(process.pid, 'SIGKILL'));
    setImmediate(fail);
  },
};

const server = http.createServer((request, response) => {
  const end = ENDS[request.url];
  response.once('close', () => end?.());
  response.end(`pid ${process.pid}`);
});
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.('ready'));
