// Waits until the service's servers listen.

import type { Server } from 'node:net';
import { PlainError } from './text.ts';

/** Resolves when all of them listen; rejects with the reason in plain words when one cannot. */
export async function untilListening(servers: readonly Server[], signal: AbortSignal): Promise<void> {
  await Promise.all(servers.map((server) => untilOneListens(server, signal)));
}

function untilOneListens(server: Server, signal: AbortSignal): Promise<void> {
  if (server.listening) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const settle = (failure?: unknown) => {
      server.off('listening', onListening);
      server.off('error', onError);
      signal.removeEventListener('abort', onAbort);
      if (failure === undefined) resolve();
      else reject(failure);
    };
    const onListening = () => settle();
    const onError = (error: Error) => settle(describe(error));
    const onAbort = () => settle(signal.reason);
    server.once('listening', onListening);
    server.once('error', onError);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}

function describe(error: NodeJS.ErrnoException & { address?: string; port?: number }): Error {
  const where = error.port === undefined ? (error.address ?? 'it') : `${error.address ?? '*'}:${error.port}`;
  if (error.code === 'EADDRINUSE') return new PlainError(`${where} is taken by another process (EADDRINUSE)`);
  if (error.code === 'EACCES') return new PlainError(`this user may not listen on ${where} (EACCES)`);
  return error;
}
