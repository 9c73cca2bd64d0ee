// stoppable as its readme has it ("Usage"); `grace` fits into kill_timeout.
import { createServer } from 'node:http';
import stoppable from 'stoppable';
import { createApp, graceMs, port } from './hello.mjs';

const server = stoppable(createServer(createApp()), graceMs);
server.listen(port);

process.on('SIGINT', () => server.stop(() => process.exit(0)));
