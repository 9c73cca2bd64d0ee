// A bare TCP service: echoes lines, and says its pid at the start of each connection.
require('node:net')
  .createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`pid ${process.pid}\n`);
    socket.pipe(socket);
  })
  .listen(process.env.PORT);
