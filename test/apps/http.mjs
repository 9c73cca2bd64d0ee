// A plain HTTP service as an ES module.
import { createServer } from 'node:http';

createServer((_req, res) => res.end(`pid ${process.pid}\n`)).listen(process.env.PORT);
