// What every-protocol.cjs and every-service.mjs answer: each kind of response that a client of theirs asks for. ACKED is a file
// with one line for every WebSocket message that was processed.
const { appendFileSync } = require('node:fs');
const { WebSocketServer } = require('ws');

function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://app');
  const ms = Number(searchParams.get('ms') ?? 0);
  response.setHeader('x-pid', process.pid);
  const body = `pid ${process.pid} ${searchParams.get('n') ?? ''}\n`;
  if (pathname === '/upload') {
    let bytes = 0;
    request.on('data', (chunk) => {
      bytes += chunk.length;
    });
    request.on('end', () => response.end(`${bytes} bytes`));
  } else if (pathname === '/download') {
    // 20 parts over `ms`.
    let parts = 0;
    const timer = setInterval(() => {
      if (response.destroyed) clearInterval(timer);
      else if (++parts < 20) response.write('x'.repeat(5_000));
      else {
        clearInterval(timer);
        response.end('x'.repeat(5_000));
      }
    }, ms / 20);
  } else if (pathname === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const timer = setInterval(() => response.write(`data: ${Date.now()}\n\n`), 30);
    response.on('close', () => clearInterval(timer));
  } else if (pathname === '/empty') {
    setTimeout(() => response.writeHead(Number(searchParams.get('status'))).end(), ms);
  } else {
    setTimeout(() => response.end(body), ms);
  }
}

/** Echoes each message with an `ack`, on /ws and compressed on /ws-deflate. */
function acceptWebSockets(server) {
  for (const [path, perMessageDeflate] of [
    ['/ws', false],
    ['/ws-deflate', { threshold: 0 }],
  ]) {
    const sockets = new WebSocketServer({ noServer: true, perMessageDeflate });
    server.on('upgrade', (request, socket, head) => {
      if (request.url !== path) return;
      sockets.handleUpgrade(request, socket, head, (socket) => {
        socket.on('message', (data) => {
          const { id, text } = JSON.parse(data);
          setTimeout(() => {
            if (socket.readyState !== socket.OPEN) return;
            appendFileSync(process.env.ACKED, `${id} ${text.length}\n`);
            socket.send(JSON.stringify({ ack: id, text }));
          }, 5);
        });
      });
    });
  }
}

module.exports = { answer, acceptWebSockets };
