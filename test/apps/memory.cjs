// A service that holds on to MB megabytes of small objects, so that its heap dump has some size.
const http = require('node:http');

const held = [];
for (let i = 0; i < Number(process.env.MB ?? 20) * 6000; i++)
  held.push({ id: i, text: `object number ${i}`, list: [i] });
http.createServer((_req, res) => res.end(`pid ${process.pid} holds ${held.length}\n`)).listen(process.env.PORT);
