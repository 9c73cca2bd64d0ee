// A service that says over HTTP what a process sees of its options, and whose server closes and listens again when asked:
// `/again` (after MS), `/elsewhere`. With QUIET it never listens.
const http = require('node:http');
const { fork } = require('node:child_process');
const { Worker } = require('node:worker_threads');

if (process.env.AS_CHILD) {
  process.send({ execArgv: process.execArgv, taken: Symbol.for('pm2-ops.door') in globalThis });
  process.disconnect();
} else {
  const server = http.createServer(async (request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    response.setHeader('connection', 'close');
    if (pathname === '/options') {
      const child = await new Promise((resolve) => {
        fork(__filename, { env: { ...process.env, AS_CHILD: '1' } }).once('message', resolve);
      });
      const worker = await new Promise((resolve) => {
        const code = "require('worker_threads').parentPort.postMessage(Symbol.for('pm2-ops.door') in globalThis)";
        new Worker(code, { eval: true }).once('message', resolve);
      });
      const main = require.main === module;
      response.end(
        JSON.stringify({ execArgv: process.execArgv, options: process.env.NODE_OPTIONS, child, worker, main }),
      );
    } else if (pathname === '/again') {
      response.end('so be it');
      server.close();
      setTimeout(() => server.listen(process.env.PORT), Number(process.env.MS ?? 0));
    } else if (pathname === '/leave') {
      response.end('so be it');
      server.close();
    } else response.end(`pid ${process.pid}\n`);
  });
  if (process.env.QUIET) setInterval(() => {}, 1e9);
  else server.listen(Number(process.env.PORT), process.env.HOST);
}
