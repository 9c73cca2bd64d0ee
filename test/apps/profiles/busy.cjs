// An app that computes, holds memory, has a worker thread, and does on request what gets in the way of a profile.
const inspector = require('node:inspector');
const { Worker } = require('node:worker_threads');
const { createServer } = require('node:http');

const held = [];
let session;

function hotLoop(ms) {
  const until = performance.now() + ms;
  let sum = 0;
  while (performance.now() < until) {
    for (let i = 0; i < 10_000; i++) sum += Math.sqrt(i) * Math.sin(i);
  }
  return sum;
}

function holdOn() {
  for (let i = 0; i < 2_000; i++) held.push({ i, text: `held ${i}` });
}

// As a person at the inspector would.
function sample(command) {
  if (!session) {
    session = new inspector.Session();
    session.connect();
  }
  let answer = 'nothing';
  session.post(`HeapProfiler.${command}`, (error) => {
    answer = error ? error.message : 'ok';
  });
  return answer;
}

setInterval(hotLoop, 40, 20);
setInterval(holdOn, 40);

new Worker('setInterval(() => {}, 1000)', { eval: true }).unref();

createServer((req, res) => {
  const { pathname, searchParams } = new URL(req.url, 'http://app');
  if (pathname === '/block') hotLoop(Number(searchParams.get('ms')));
  if (pathname === '/exit') process.exit(7);
  res.end(pathname === '/sample' ? sample(searchParams.get('command')) : `pid ${process.pid}`);
}).listen(process.env.PORT, '127.0.0.1');
