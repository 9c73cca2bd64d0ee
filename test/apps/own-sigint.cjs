// An app with a SIGINT handler of its own: it closes as it likes, and nobody interferes.
const http = require('node:http');

const server = http.createServer((_req, res) => res.end(`pid ${process.pid}\n`)).listen(process.env.PORT);
process.on('SIGINT', () => {
  console.log('OWN SIGINT HANDLER CALLED');
  server.close((error) => {
    console.log(`closed ${error ? error.code : 'well'}`);
    process.exit(0);
  });
  server.closeAllConnections();
});
