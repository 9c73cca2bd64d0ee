// An app that can be made to stand still from outside, without any work: `/?ms=5000`, answered before it does.
const http = require('node:http');

http
  .createServer((req, res) => {
    const ms = new URL(req.url, 'http://localhost').searchParams.get('ms');
    res.end(`pid ${process.pid}\n`);
    if (ms) setTimeout(stand, 20, Number(ms));
  })
  .listen(process.env.PORT);

function stand(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
