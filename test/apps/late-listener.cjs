// Listens to PM2's messages only when it is told to, and expects those that came before.
const http = require('node:http');

const got = [];
http
  .createServer((request, response) => {
    if (request.url === '/listen') process.on('message', (message) => got.push(message));
    response.end(JSON.stringify(got));
  })
  .listen(Number(process.env.PORT));
