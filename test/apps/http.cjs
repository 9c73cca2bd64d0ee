// A plain HTTP service, CommonJS, with no signal handling of its own. `/?ms=500` answers after 500 ms; `/stream?ms=500`
// sends its head at once and its body after 500 ms; with `&received` it says 102 as soon as it has the request. PORT may also
// be the path of a Unix socket.
const http = require('node:http');

http
  .createServer((req, res) => {
    const url = new URL(req.url, 'http://localhost');
    if (url.searchParams.has('received')) res.writeProcessing();
    if (url.pathname === '/stream') res.write('begun ');
    setTimeout(() => res.end(`pid ${process.pid}\n`), Number(url.searchParams.get('ms') ?? 0));
  })
  .listen(process.env.PORT, () => process.send?.('ready'));
