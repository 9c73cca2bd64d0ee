// A service that loads the agent in its own code, busy with its boot (MS) before it listens. AGENT=late: only when it has listened;
// AGENT=none: not at all. `/options` says what its children and workers see, and what its server saw of its own `listen`.
const http = require('node:http');
const { fork } = require('node:child_process');
const { Worker } = require('node:worker_threads');

const AGENT = process.env.AGENT ?? 'first';
if (AGENT === 'first') require('pm2-ops/agent');

const DOOR = Symbol.for('pm2-ops.door');
if (process.env.AS_CHILD) {
  process.send({ taken: DOOR in globalThis });
  process.disconnect();
} else {
  const until = Date.now() + Number(process.env.MS ?? 200);
  while (Date.now() < until);
  const server = http.createServer(async (request, response) => {
    response.setHeader('connection', 'close');
    if (request.url !== '/options') return response.end(`pid ${process.pid}\n`);
    const child = await new Promise((resolve) => {
      fork(__filename, { env: { ...process.env, AS_CHILD: '1' } }).once('message', resolve);
    });
    const worker = await new Promise((resolve) => {
      const code = `require(${JSON.stringify(require.resolve('pm2-ops/agent'))}); require('worker_threads').parentPort.postMessage(Symbol.for('pm2-ops.door') in globalThis)`;
      new Worker(code, { eval: true }).once('message', resolve);
    });
    response.end(JSON.stringify({ child, worker, main: DOOR in globalThis }));
  });
  server.listen(Number(process.env.PORT));
  if (AGENT === 'late') require('pm2-ops/agent');
}
