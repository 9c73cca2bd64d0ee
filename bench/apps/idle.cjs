// An app with nothing to do. It says when its event loop was first free, and on demand measures how long it is held:
// on a Unix socket of its own, GET /start begins to watch, GET /stop answers with [when, how long] of each hold.
const { rmSync } = require('node:fs');
const http = require('node:http');
const { join } = require('node:path');

/** How often the probe's timer fires, and the hold from which on one is noted, in milliseconds. */
const EVERY_MS = 1;
const NOTED_MS = 0.5;

let timer;
let holds = [];

http
  .createServer((_req, res) => res.end(`pid ${process.pid}\n`))
  .listen(Number(process.env.PORT), '127.0.0.1', () => {
    setImmediate(() => process.send?.({ type: 'bench:idle', data: { pid: process.pid } }));
  });

const control = http.createServer((req, res) => {
  if (req.url === '/start') start();
  res.end(JSON.stringify(req.url === '/stop' ? stop() : process.pid));
});
// Exclusive: in a cluster each worker has its own. A predecessor that was killed has left its file.
const path = join(process.env.PROBES, `${process.env.pm_id ?? process.env.NODE_APP_INSTANCE}.sock`);
rmSync(path, { force: true });
control.listen({ path, exclusive: true });

function start() {
  holds = [];
  let last = now();
  timer = setInterval(() => {
    const current = now();
    const heldMs = current - last - EVERY_MS;
    if (heldMs >= NOTED_MS) holds.push([last, heldMs]);
    last = current;
  }, EVERY_MS);
}

function stop() {
  clearInterval(timer);
  return holds;
}

/** Milliseconds of the monotonic clock, which is the same for every process of a host. */
function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}
