// A server that offers its cache to whoever opens a REPL in it; `/boom` throws an error that nobody catches.
const http = require('node:http');

const cache = new Map([['answer', 42]]);
globalThis[Symbol.for('pm2-ops.repl')] = { cache, started: new Date(0) };

http
  .createServer((req, res) => {
    res.end(`pid ${process.pid}, ${cache.size} cached\n`);
    if (req.url === '/boom') setTimeout(() => cache.boom());
  })
  .listen(process.env.PORT);
