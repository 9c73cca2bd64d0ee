// Listens the way LISTEN says, as JSON: [3000], [{ "port": 0, "exclusive": true }], ["/tmp/a.sock"], [3000, "::"].
// Logs each address it got.
const http = require('node:http');

const server = http.createServer((_req, res) => res.end(`pid ${process.pid}\n`));
server.listen(...JSON.parse(process.env.LISTEN), () => console.log(`ADDRESS ${JSON.stringify(server.address())}`));
