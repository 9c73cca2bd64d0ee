// A service whose figures are known: `/404`, `/500`, `/block?ms=`, `/slow?ms=`, `/reject`, `/throw` (it handles its own), `/inside`
// (what it sees of its listeners). On H2C it speaks HTTP/2.
const http = require('node:http');
const diagnostics = require('node:diagnostics_channel');

process.on('uncaughtException', () => {});
process.on('unhandledRejection', () => {});

const CHANNELS = ['http.server.request.start', 'http2.server.stream.start', 'http2.server.stream.close'];
const EVENTS = [
  ...['uncaughtExceptionMonitor', 'uncaughtException', 'unhandledRejection', 'exit', 'beforeExit'],
  ...['newListener', 'removeListener'],
];

function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  const ms = Number(searchParams.get('ms'));
  response.setHeader('x-pid', process.pid);
  if (pathname === '/inside') {
    const listeners = Object.fromEntries(EVENTS.map((name) => [name, process.listenerCount(name)]));
    const subscribed = CHANNELS.filter((name) => diagnostics.channel(name).hasSubscribers);
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const { directory, reportOnFatalError } = process.report;
    response.end(JSON.stringify({ listeners, subscribed, timers, directory, reportOnFatalError }));
    return;
  }
  if (pathname === '/block') for (const until = Date.now() + ms; Date.now() < until; );
  if (pathname === '/slow') {
    setTimeout(() => response.end('slow'), ms);
    return;
  }
  if (pathname === '/reject') void Promise.reject(new Error('swallowed'));
  if (pathname === '/throw') setImmediate(() => undefined.at);
  if (/^\/[45]\d\d$/.test(pathname)) response.statusCode = Number(pathname.slice(1));
  response.end(`pid ${process.pid}`);
}

const { PORT, H2C } = process.env;
if (H2C) require('node:http2').createServer(answer).listen(Number(H2C));
http.createServer(answer).listen(Number(PORT), () => process.send?.('ready'));
