// A service that holds on to MB megabytes of small objects, so that its heap dump has some size, and to MB_OF_NUMBERS
// megabytes in a few large arrays, which V8 dumps fast. `/?ms=500` answers after 500 ms; `/events` is an event stream;
// POST /upload is answered when its body has arrived.
const http = require('node:http');

const held = [];
for (let i = 0; i < Number(process.env.MB ?? 20) * 6000; i++)
  held.push({ id: i, text: `object number ${i}`, list: [i] });
for (let i = 0; i < Number(process.env.MB_OF_NUMBERS ?? 0); i++) held.push(new Array(2 ** 17).fill(0.5));

http
  .createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url, 'http://app');
    res.setHeader('x-pid', process.pid);
    if (pathname === '/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('data: hello\n\n');
      return;
    }
    const answer = () => res.end(`pid ${process.pid} holds ${held.length}\n`);
    if (pathname === '/upload') req.resume().on('end', answer);
    else setTimeout(answer, Number(searchParams.get('ms') ?? 0));
  })
  .listen(process.env.PORT);
