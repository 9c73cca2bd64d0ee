// A service that holds MB megabytes of small objects and NUMBERS_MB in large arrays of numbers, and dumps its heap in whatever way it is told to over a socket of its
// own (SOCKETS/PID.sock). Notes for how long its event loop was held at once.
const http = require('node:http');
const { join } = require('node:path');
const v8 = require('node:v8');

const held = [];
// About 170 bytes each.
for (let i = 0; i < Number(process.env.MB) * 6200; i++) held.push({ id: i, text: `object number ${i}`, list: [i] });
for (let i = 0; i < Number(process.env.NUMBERS_MB); i++) held.push(new Array(2 ** 17).fill(0.5));

const DUMPS = {
  v8: (file) => v8.writeHeapSnapshot(file),
  heapdump: (file) =>
    new Promise((resolve, reject) => {
      require(join(process.env.PEERS, 'heapdump')).writeSnapshot(file, (error) => (error ? reject(error) : resolve()));
    }),
  nearform: (file) =>
    require(join(process.env.PEERS, '@nearform/heap-profiler')).generateHeapSnapshot({ destination: file }),
};

let longestHoldMs = 0;
let ticked = performance.now();
setInterval(() => {
  const now = performance.now();
  longestHoldMs = Math.max(longestHoldMs, now - ticked - 5);
  ticked = now;
}, 5).unref();

async function control(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  if (pathname === '/dump') {
    const started = performance.now();
    await DUMPS[searchParams.get('by')](searchParams.get('file'));
    response.end(JSON.stringify({ ms: performance.now() - started }));
  } else {
    // `held` is named here, or V8 would let it go.
    response.end(JSON.stringify({ longestHoldMs, heapUsed: process.memoryUsage().heapUsed, objects: held.length }));
    longestHoldMs = 0;
  }
}

http
  .createServer((request, response) => {
    control(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  })
  .listen(join(process.env.SOCKETS, `${process.pid}.sock`));
http
  .createServer((_request, response) => response.end(`pid ${process.pid}\n`))
  .listen(Number(process.env.PORT), () => process.send?.('ready'));
