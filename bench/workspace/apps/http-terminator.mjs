// http-terminator as its README has it ("Usage with Express"); `gracefulTerminationTimeout` fits into kill_timeout.
import { createHttpTerminator } from 'http-terminator';
import { createApp, graceMs, port } from './hello.mjs';

const server = createApp().listen(port);
const httpTerminator = createHttpTerminator({ server, gracefulTerminationTimeout: graceMs });

process.on('SIGINT', async () => {
  await httpTerminator.terminate();
  process.exit(0);
});
