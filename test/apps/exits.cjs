// A service that exits on `/exit`; PM2 brings it back.
const http = require('node:http');

http
  .createServer((req, res) => {
    res.end(`pid ${process.pid}\n`, () => {
      if (req.url === '/exit') process.exit(0);
    });
  })
  .listen(process.env.PORT);
