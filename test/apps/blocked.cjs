// An app whose event loop can be blocked from outside: `/block?ms=5000`, answered before the loop is blocked.
const http = require('node:http');

http
  .createServer((req, res) => {
    const url = new URL(req.url, 'http://localhost');
    res.end(`pid ${process.pid}\n`);
    if (url.pathname === '/block') setTimeout(block, 20, Number(url.searchParams.get('ms') ?? 5000));
  })
  .listen(process.env.PORT);

function block(ms) {
  console.log('blocked');
  const until = Date.now() + ms;
  while (Date.now() < until);
  console.log('free again');
}
