// A service on the lifecycle, told by OPTIONS what is to go wrong in it. It writes down what it opens and closes.
import { createServer } from 'node:http';
import { createServer as createNetServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { startService } from '../../dist/lifecycle.mjs';

const {
  resources = [],
  warmUp,
  servers = 1,
  port = 0,
  lateError,
  loud,
  ...options
} = JSON.parse(process.env.OPTIONS ?? '{}');
const broken = new Map();

/** `never` hangs, `{ fails: '…' }` throws, a number takes so many milliseconds. */
async function behave(how = 0, signal) {
  if (how === 'never') await new Promise(() => {});
  if (how === 'until aborted') await new Promise((_, no) => signal.addEventListener('abort', () => no(signal.reason)));
  if (how.fails) throw Object.assign(new Error(how.fails), { code: 'ETEST' });
  if (how.mistake) undefined.mistake();
  if (typeof how === 'number') await sleep(how);
}

const routes = {
  '/': (_query, response) => response.end(JSON.stringify({ pid: process.pid })),
  '/slow': (query, response) => setTimeout(() => response.end('slow'), Number(query.get('ms'))),
  '/events': (_query, response) =>
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n'),
  '/throw': () => setImmediate(() => Promise.resolve().then(() => queueMicrotask(() => fail('thrown on purpose')))),
  '/reject': () => void Promise.reject(new Error('rejected on purpose')),
  '/break': (query, response) => {
    broken.set(query.get('name'), query.get('how'));
    response.end();
  },
  '/heal': (_query, response) => {
    broken.clear();
    response.end();
  },
  '/stop': (_query, response) => response.end('', () => void service.stop('asked by a client')),
};
const fail = (message) => {
  throw new Error(message);
};

let service;
const handle = async (request, response) => {
  const url = new URL(request.url, 'http://service');
  if (url.pathname === '/ready') {
    const readiness = await service.readiness();
    response.statusCode = readiness.ready ? 200 : 503;
    response.end(JSON.stringify(readiness));
  } else routes[url.pathname](url.searchParams, response);
};

await startService({
  ...options,
  resources: resources.map(({ name, open, close }) => ({
    name,
    async open(signal) {
      console.log(`opening ${name}`);
      await behave(open, signal);
      console.log(`open ${name}`);
    },
    async check() {
      const how = broken.get(name);
      if (how === 'never') await new Promise(() => {});
      if (how) throw new Error(how);
    },
    async close(signal) {
      console.log(`closing ${name}`);
      await behave(close, signal);
      console.log(`closed ${name}`);
    },
  })),
  ...(warmUp === undefined
    ? {}
    : {
        async warmUp(signal) {
          await behave(warmUp, signal);
          console.log('warm');
        },
      }),
  async listen(own) {
    service = own;
    console.log(`listening, ${service.state}`);
    if (lateError) {
      createNetServer().listen(port, '127.0.0.1');
      await new Promise(() => {});
    }
    return Array.from({ length: servers }, () => createServer(handle).listen(port, '127.0.0.1'));
  },
});
console.log(service.state, service.killTimeoutMs);
if (loud) setInterval(() => fail('thrown again and again'), 1);
