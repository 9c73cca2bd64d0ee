// An app that was given secrets in every way there is, with a worker thread that has them, too.
const { createServer } = require('node:http');
const { Worker } = require('node:worker_threads');

process.env.API_TOKEN = 'secret-of-the-environment';
const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
worker.on('online', () => createServer((_req, res) => res.end('up')).listen(process.env.PORT, '127.0.0.1'));
