// A plain HTTP service, CommonJS, with no signal handling of its own.
const http = require('node:http');

http
  .createServer((req, res) => {
    const ms = Number(new URL(req.url, 'http://x').searchParams.get('ms') ?? 0);
    setTimeout(() => res.end(`pid ${process.pid}\n`), ms);
  })
  .listen(Number(process.env.PORT));
