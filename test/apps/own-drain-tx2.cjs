// An app that uses tx2, with its own metric and its own action called `drain`.
const http = require('node:http');
const tx2 = require('../workspace/node_modules/tx2');

const answered = tx2.counter('answered');
tx2.action('drain', (reply) => reply({ mine: true, pid: process.pid }));
tx2.action('greet', (reply) => reply({ hello: 'tx2' }));

http
  .createServer((_req, res) => {
    answered.inc();
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
