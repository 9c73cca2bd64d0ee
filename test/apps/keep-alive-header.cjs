// An app that sets `Connection: keep-alive` itself, whatever Node would have said.
const http = require('node:http');

http
  .createServer((_req, res) => {
    res.setHeader('Connection', 'keep-alive');
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
