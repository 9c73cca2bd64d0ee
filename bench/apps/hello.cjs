// A raw http hello-world, instrumented by what INSTRUMENT names as its documentation says: nothing, @pm2/io or pmx.
// GET /cpu answers with the CPU time of this process so far, in microseconds.
const { createRequire } = require('node:module');

const peers = createRequire(`${process.env.PEERS}/`);
if (process.env.INSTRUMENT === '@pm2/io') peers('@pm2/io').init();
if (process.env.INSTRUMENT === 'pmx') peers('pmx').init({ http: true });

require('node:http')
  .createServer((req, res) => {
    if (req.url !== '/cpu') return res.end('hello world\n');
    const { user, system } = process.cpuUsage();
    res.end(String(user + system));
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
