// Serves, boots slowly (synchronously, MS), and takes MB of memory at each GET /grow, which it keeps.
const until = Date.now() + Number(process.env.MS ?? 0);
while (Date.now() < until);
const kept = [];
require('node:http')
  .createServer((req, res) => {
    if (req.url === '/grow') kept.push(Buffer.alloc(Number(process.env.MB ?? 200) * 2 ** 20, 1));
    res.end(`pid ${process.pid}\n`);
  })
  .listen(process.env.PORT);
