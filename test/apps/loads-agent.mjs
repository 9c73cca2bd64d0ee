// A service that loads the agent in its own code, as an ES module.
import 'pm2-ops/agent';
import http from 'node:http';

const until = Date.now() + Number(process.env.MS ?? 200);
while (Date.now() < until);
http.createServer((_request, response) => response.end(`pid ${process.pid}\n`)).listen(Number(process.env.PORT));
