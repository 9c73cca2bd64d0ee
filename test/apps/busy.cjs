// A server that computes for 50 ms in every request and so, with a few clients, has always the next one waiting.
const http = require('node:http');

http
  .createServer((_req, res) => {
    const until = performance.now() + 50;
    while (performance.now() < until);
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
