// Starts one worker: listens, tells PM2 that it is ready, and closes without dropping a request when PM2 asks.

import { createServer } from 'node:http';
import { createApp } from './app.ts';
import { gracefulClose } from './gracefulClose.ts';

const server = createServer();
const closing = gracefulClose(server);
server.on(
  'request',
  createApp(() => !closing.started),
);

server.listen(Number(process.env.PORT ?? 3000), () => {
  // With `wait_ready`, PM2 stops the old worker only now.
  process.send?.('ready');
});

/** PM2 sends SIGKILL this long after its signal. */
const killTimeoutMs = Number(process.env.kill_timeout) || 1600;

async function leave(): Promise<void> {
  if (closing.started) return;
  const { cut } = await closing.close(killTimeoutMs);
  if (cut > 0) console.error(`closed with ${cut} request(s) unanswered after ${killTimeoutMs} ms`);
  process.exit(cut > 0 ? 1 : 0);
}

process.on('SIGINT', leave);
process.on('SIGTERM', leave);
process.on('message', (message) => {
  if (message === 'shutdown') void leave();
});
