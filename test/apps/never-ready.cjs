// With `wait_ready`: an app that never says ready, though it serves.
require('node:http')
  .createServer((_req, res) => res.end(`pid ${process.pid}\n`))
  .listen(process.env.PORT);
