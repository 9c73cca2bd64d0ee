// An app whose connections are of every kind that a drain meets: requests, event streams, tunnels, WebSockets of its own and
// ones that it passes on, HTTP/2 and plain TCP. `/pid` and the first line of a raw connection tell which process it is.
// PORTS is a JSON object; what it passes on goes to whoever the client names.
const http = require('node:http');
const http2 = require('node:http2');
const net = require('node:net');
const { WebSocketServer } = require('ws');

function answer(request, response) {
  const url = new URL(request.url, 'http://x');
  const ms = Number(url.searchParams.get('ms'));
  if (url.pathname === '/pid') response.end(`pid ${process.pid};`);
  else if (url.pathname === '/upload') request.on('end', () => response.end('done;')).resume();
  else if (url.pathname === '/events') stream(response, ms);
  else setTimeout(() => response.end('done;'), ms);
}

function stream(response, ms) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('data: first\n\n');
  const ticking = setInterval(() => response.write('data: tick\n\n'), 20);
  // A write after the end breaks a stream of HTTP/2 that is not flushed yet, with a drain or without.
  const end = () => {
    clearInterval(ticking);
    response.end('data: last\n\n');
  };
  const ending = ms > 0 ? setTimeout(end, ms) : undefined;
  response.on('close', () => {
    clearInterval(ticking);
    clearTimeout(ending);
  });
}

/** Both ends' bytes, and nothing else. */
function join(socket, port, greeting, head) {
  const other = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => {
    if (greeting) socket.write(greeting);
    if (head) other.write(head);
    socket.pipe(other).pipe(socket);
  });
  other.on('error', () => socket.destroy());
  socket.on('error', () => other.destroy());
  socket.on('close', () => other.destroy());
}

function serve(ports) {
  const plain = http.createServer({ keepAliveTimeout: 1_000 }, answer);
  plain.on('connect', (request, socket, head) => {
    join(socket, Number(request.url.split(':')[1]), 'HTTP/1.1 200 OK\r\n\r\n', head);
  });
  const own = new WebSocketServer({ noServer: true, perMessageDeflate: true });
  plain.on('upgrade', (request, socket, head) => {
    const { searchParams, pathname } = new URL(request.url, 'http://x');
    if (pathname === '/ws') own.handleUpgrade(request, socket, head, (it) => it.send(`pid ${process.pid};`));
    else if (pathname === '/mine')
      join(
        socket,
        Number(searchParams.get('port')),
        'HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: mine\r\n\r\n',
        head,
      );
    else {
      const lines = request.rawHeaders.map((text, at) => (at % 2 ? `${text}\r\n` : `${text}: `)).join('');
      join(
        socket,
        Number(searchParams.get('port')),
        '',
        `GET ${request.url} HTTP/1.1\r\nx-pid: ${process.pid}\r\n${lines}\r\n${head}`,
      );
    }
  });
  const second = http2.createServer(answer);
  second.on('connect', ({ stream, authority }) => {
    stream.respond({ ':status': 200 });
    join(stream, Number(authority.split(':')[1]), '', '');
  });
  const raw = net.createServer((socket) => {
    socket.write(`pid ${process.pid};`);
    socket.on('error', () => {});
    socket.on('data', (ms) => setTimeout(() => socket.end('done;'), Number(ms)));
  });
  return { http: plain.listen(ports.http), h2c: second.listen(ports.h2c), raw: raw.listen(ports.raw) };
}

module.exports = { serve };
if (process.env.PORTS) serve(JSON.parse(process.env.PORTS));
