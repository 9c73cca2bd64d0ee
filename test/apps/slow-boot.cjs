// An app that is busy with its own boot (synchronously, MS) before it listens, and with each request (WORK_MS).
const work = (ms) => {
  const until = Date.now() + ms;
  while (Date.now() < until);
};
work(Number(process.env.MS ?? 3000));
require('node:http')
  .createServer((_req, res) => {
    work(Number(process.env.WORK_MS ?? 0));
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
