// Each worker's own port for maintenance: a request there reaches this worker, and not the one that PM2 picks.

import type { RequestListener } from 'node:http';
import type { Resource } from 'pm2-ops/lifecycle';
import type { OpsConfig } from '../config.ts';
import { createHttpServer } from '../httpServer.ts';
import type { Logger } from '../log.ts';

/** How often to try again while the port is taken. */
const RETRY_MS = 500;
const REQUEST_TIMEOUT_MS = 10_000;

/**
 * While PM2 reloads, the new worker has the number of the old one, which still listens: so this waits for the port without
 * holding up the start. The old one gives it back the moment it is told to leave.
 */
export function opsServer(
  handle: RequestListener,
  { host, port }: Pick<OpsConfig, 'host' | 'port'>,
  log: Logger,
): Resource {
  const server = createHttpServer(handle, REQUEST_TIMEOUT_MS);
  let retry: NodeJS.Timeout | undefined;
  let told = false;
  // `exclusive`: in a cluster the workers would share it.
  const listen = () => server.listen({ host, port, exclusive: true });

  server.on('listening', () => log.info({ host, port }, 'ops: listening'));
  server.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') {
      log.error({ err: error }, 'ops: not listening');
      return;
    }
    if (!told) log.info({ host, port }, 'ops: waiting for the port, which another process has');
    told = true;
    retry = setTimeout(listen, RETRY_MS);
    retry.unref();
  });

  return {
    name: 'ops',
    open() {
      listen();
    },
    close() {
      clearTimeout(retry);
      server.close();
      server.closeAllConnections();
    },
  };
}
