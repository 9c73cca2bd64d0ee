// The real process behind `pm2 start npm -- start`: npm's grandchild, not PM2's child.
require('node:http')
  .createServer((_req, res) => res.end(`pid ${process.pid}\n`))
  .listen(process.env.PORT);
