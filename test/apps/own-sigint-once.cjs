// An app that registers its SIGINT handler late, and with `once`: it is gone from the list while it runs.
const http = require('node:http');

http
  .createServer((request, response) => {
    if (request.url === '/handle') {
      process.once('SIGINT', () => {
        console.log('OWN SIGINT HANDLER CALLED');
        setTimeout(() => {
          console.log(`still there with ${process.listenerCount('SIGINT')} listeners`);
          process.exit(0);
        }, 300);
      });
    }
    response.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
