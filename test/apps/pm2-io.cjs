// An app instrumented with @pm2/io, with its own metric and action.
const io = require('../workspace/node_modules/@pm2/io').init({ metrics: { http: true } });
const http = require('node:http');

const answered = io.counter({ name: 'answered' });
io.action('greet', (reply) => reply({ hello: 'pm2-io' }));

http
  .createServer((_req, res) => {
    answered.inc();
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
