// One attach at a time on a host: the inspector's port is the same for every process. The lock is an abstract unix
// socket, which exists once per network namespace (as the port does) and which the kernel frees however its holder ends.

import { createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The name fills the address to its last byte: older libuv pads shorter abstract names with NULs, newer does not. */
const ABSTRACT_NAME_BYTES = 107;
const NAME = `\0${'pm2-ops.inspector.'.padEnd(ABSTRACT_NAME_BYTES, '-')}`;
const RETRY_MS = 10;

export interface Lock {
  release(): Promise<void>;
}

/** Waits for the host's lock; null when it is still held by someone else at the deadline. */
export async function acquireLock(timeoutMs: number, signal?: AbortSignal): Promise<Lock | null> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const server = await listen();
    if (server) return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    if (performance.now() >= deadline || signal?.aborted) return null;
    // Jitter, so that several waiters do not meet again and again.
    await sleep(RETRY_MS * (0.5 + Math.random()));
  }
}

function listen(): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(null) : reject(error),
    );
    server.listen(NAME, () => resolve(server));
  });
}
