// An app whose requests are synchronous work (`?ms=200`) in an AsyncLocalStorage context. While that work runs, nobody
// else has any business in this process: what is set up meanwhile (a timer, a promise, a handle) was set up inside
// someone's request. `/strangers` lists what of it went on to run, and in which request's context it ran.
const { AsyncLocalStorage, createHook } = require('node:async_hooks');
const http = require('node:http');

const requests = new AsyncLocalStorage();
const setUp = new Map();
const strangers = [];
let working = false;
createHook({
  init(asyncId, type) {
    if (working) setUp.set(asyncId, type);
  },
  before(asyncId) {
    if (setUp.has(asyncId)) strangers.push({ type: setUp.get(asyncId), request: requests.getStore() ?? null });
  },
}).enable();

let served = 0;
http
  .createServer((req, res) => {
    const url = new URL(req.url, 'http://localhost');
    if (url.pathname === '/strangers') return res.end(JSON.stringify({ pid: process.pid, served, strangers }));
    requests.run(++served, work, Number(url.searchParams.get('ms') ?? 200));
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);

function work(ms) {
  working = true;
  const until = Date.now() + ms;
  while (Date.now() < until);
  working = false;
}
