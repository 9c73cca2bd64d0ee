// The server is in a worker thread.
const { Worker, isMainThread } = require('node:worker_threads');

if (isMainThread) new Worker(__filename);
else
  require('node:http')
    .createServer((_req, res) => res.end(`pid ${process.pid}\n`))
    .listen(process.env.PORT, '127.0.0.1');
