// An app that is busy with its own boot (synchronously, MS) before it listens.
const until = Date.now() + Number(process.env.MS ?? 3000);
while (Date.now() < until);
require('node:http')
  .createServer((_req, res) => res.end(`pid ${process.pid}\n`))
  .listen(process.env.PORT);
