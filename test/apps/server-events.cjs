// An app that logs its server's own `listening` and `close` events, and closes it itself on `/close`.
const http = require('node:http');

const server = http.createServer((req, res) => {
  res.end(`pid ${process.pid}\n`);
  if (req.url === '/close') server.close((error) => console.log(`app closed ${error ? error.code : 'well'}`));
});
server.on('listening', () => console.log('EVENT listening'));
server.on('close', () => console.log('EVENT close'));
server.listen(process.env.PORT);
setInterval(() => {}, 1000);
