// An app with a SIGUSR1 handler of its own, which must not be called by anybody but its owner.
const http = require('node:http');

process.on('SIGUSR1', () => console.log('OWN SIGUSR1 HANDLER CALLED'));
http.createServer((_req, res) => res.end(`pid ${process.pid}\n`)).listen(process.env.PORT);
