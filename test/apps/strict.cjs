// Ends at any message that it does not know, as an app with a table of handlers does. Handlers of messages of cluster's
// workers and of child processes are as strict.
const cluster = require('node:cluster');
const http = require('node:http');

const handlers = { known() {} };
const strict = (where) => (message) => {
  // PM2's own, from its part of each worker to whoever is the parent.
  if (where === 'primary' && message.node_version) return;
  console.log(`STRICT ${where} GOT ${JSON.stringify(message)}`);
  handlers[message.type](message);
};

process.on('message', strict('process'));
if (cluster.isWorker) cluster.worker.on('message', strict('worker'));
if (process.env.WORKERS && cluster.isPrimary) {
  for (let i = 0; i < Number(process.env.WORKERS); i++) {
    cluster.fork({ WORKERS: '' }).on('message', strict('primary'));
  }
} else {
  http.createServer((_request, response) => response.end(`pid ${process.pid}\n`)).listen(Number(process.env.PORT));
}
