// An app instrumented with pmx, with its own metric and action.
const pmx = require('../workspace/node_modules/pmx').init({ http: true });
const http = require('node:http');

const answered = pmx.probe().counter({ name: 'answered' });
pmx.action('greet', (reply) => reply({ hello: 'pmx' }));

http
  .createServer((_req, res) => {
    answered.inc();
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
