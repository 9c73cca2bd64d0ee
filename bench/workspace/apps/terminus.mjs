// @godaddy/terminus as its README has it ("With express"): SIGINT is PM2's signal; `timeout` fits into kill_timeout;
// `useExit0` as recommended there. `beforeShutdown` is for load balancers that ask a readiness probe: PM2 is none.
import { createServer } from 'node:http';
import { createTerminus } from '@godaddy/terminus';
import { createApp, graceMs, port } from './hello.mjs';

const server = createServer(createApp());
createTerminus(server, { signals: ['SIGINT', 'SIGTERM'], timeout: graceMs, useExit0: true });
server.listen(port);
