// Serves by workers that it forks itself, and does not expect a message from one.
const cluster = require('node:cluster');

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  // PM2's own library speaks there, too.
  cluster.on('message', (_worker, { type }) => /pm2-ops/.test(type) && console.log('unexpected', type));
} else {
  if (process.env.OWN_HANDLER) process.on('SIGUSR1', () => console.log('SIGNALLED'));
  require('node:http')
    .createServer((_request, response) => response.end(`pid ${process.pid}`))
    .listen(Number(process.env.PORT), '127.0.0.1');
}
