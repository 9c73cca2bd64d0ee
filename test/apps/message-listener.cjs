// An app that listens to PM2's messages and logs each one it gets.
const http = require('node:http');

process.on('message', (message) => console.log(`APP GOT ${JSON.stringify(message)}`));
http.createServer((_req, res) => res.end(`pid ${process.pid}\n`)).listen(process.env.PORT);
