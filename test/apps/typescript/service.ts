// A plain HTTP service in TypeScript: run by a loader (tsx), or by Node's own type stripping from 24 on.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const answer = (_req: IncomingMessage, res: ServerResponse): void => {
  res.end(`pid ${process.pid}\n`);
};

createServer(answer).listen(process.env.PORT);
