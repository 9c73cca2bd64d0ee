// An app that has replaced a function of Node's with one that throws once it serves.
const http = require('node:http');

http
  .createServer((_request, response) => response.end('fine'))
  .listen(Number(process.env.PORT), () => {
    process.memoryUsage = () => {
      throw new Error('not today');
    };
  });
