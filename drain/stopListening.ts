// Stops taking connections, and takes them again, without the app noticing: `server.close()` would emit the app's `close` event and
// make its own later `close()` fail. So this closes the real handle and puts a stub in its place.

import cluster from 'node:cluster';
import { attempt } from '../shared/guard.ts';
import { listenAgain } from './listenAgain.ts';
import { fileMode, type Holding, holdingOf, socketName } from './listeningBefore.ts';
import type { ServerInternals } from './nodeInternals.ts';
import { addressOf, type ListenOptions } from './servers.ts';
import { StoppedHandle } from './stoppedHandle.ts';

/** A server that does not take connections for now. */
export interface StoppedServer {
  readonly server: ServerInternals;
  /** Where it has listened: `0.0.0.0:3000` or a path. */
  readonly address: string;
  readonly holding: Holding;
  /** Has the app closed or re-opened the server itself meanwhile? Then it is no longer ours. */
  taken(): boolean;
  /** Has the server listen as before. Resolves to the address, or to undefined if the app has taken the server over. */
  resume(): Promise<string | undefined>;
}

/** Stops listening at once. Call `acceptQueued` first, because connections in the kernel's queue would be reset. */
export function stopListening(server: ServerInternals, options: ListenOptions): StoppedServer | undefined {
  const handle = server._handle;
  if (handle === null || handle instanceof StoppedHandle) return undefined;
  const address = addressOf(server);
  const where = {
    key: server._connectionKey ?? '',
    path: server._pipeName,
    mode: fileMode(server._pipeName),
    name: socketName(handle),
    holding: holdingOf(handle),
  };
  const referenced = handle.hasRef?.() ?? server._unref !== true;
  const asyncId = attempt(() => handle.getAsyncId?.() ?? 0, 0);
  const clusterKey = keySentWhile(() => handle.close());
  const stub = new StoppedHandle(where.name, asyncId, referenced);
  server._handle = stub;

  const taken = () => server._handle !== stub;
  return {
    server,
    address,
    holding: where.holding,
    taken,
    resume: async () => {
      if (taken()) return undefined;
      await listenAgain({ server, stub, options, clusterKey, ...where });
      return addressOf(server);
    },
  };
}

/** Lets the event loop accept the connections in the kernel's queue, which closing the socket would reset.
 * `accepted` returns how many connections there have been so far. */
export async function acceptQueued(accepted: () => number): Promise<void> {
  for (let turn = 0; turn < 8; turn++) {
    const before = accepted();
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (turn > 0 && accepted() === before) return;
  }
}

/** The key under which the primary knows a socket. A worker's handle reveals it only in the message that it sends on `close`. */
function keySentWhile(close: () => void): string | undefined {
  const own = Object.getOwnPropertyDescriptor(process, 'send');
  const send = process.send;
  if (!cluster.isWorker || send === undefined || own === undefined || own.configurable !== true) {
    close();
    return undefined;
  }
  let key: string | undefined;
  const listening = function (this: unknown, message: { act?: string; key?: string }, ...rest: unknown[]) {
    if (message?.act === 'close' && typeof message.key === 'string') key = message.key;
    return Reflect.apply(send, this, [message, ...rest]) as boolean;
  };
  Object.defineProperty(process, 'send', { ...own, value: listening });
  try {
    close();
  } finally {
    Object.defineProperty(process, 'send', own);
  }
  return key;
}
