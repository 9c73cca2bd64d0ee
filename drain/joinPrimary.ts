// Has a cluster worker listen again: it asks its primary, which holds the listening socket for all workers, once more.

import cluster from 'node:cluster';
import { getSystemErrorName } from 'node:util';
import { attempt } from '../shared/guard.ts';
import { hideListening } from './hideListening.ts';
import { backlogOf, type ListeningBefore, type ListenRequest, socketName } from './listeningBefore.ts';
import type { ClusterChild, ListenHandle } from './nodeInternals.ts';

/** If the cluster's primary does not answer within this time, listening again has failed. */
const PRIMARY_ANSWERS_MS = 5_000;

/** Joins the socket that the cluster's primary holds for all workers; if there is none any more, the primary opens one first. */
export async function joinPrimary(
  before: ListeningBefore,
  asked: ListenRequest,
  flags: number,
): Promise<Error | undefined> {
  // The primary keeps sockets on port 0 under a key with an index. The same index finds the siblings' socket.
  const index = indexIn(before.clusterKey, asked);
  const samePort = before.name?.port;
  const portZero = asked.port === 0 && samePort !== undefined;
  const first = await tryJoin(before, asked, flags, index, portZero ? samePort : undefined);
  if (!portZero || (first as NodeJS.ErrnoException | undefined)?.code !== 'EOTHERPORT') return first;
  // No worker held the socket, so the primary opened another port. Ask for ours by number.
  return tryJoin(before, { ...asked, port: samePort }, flags, undefined, samePort);
}

async function tryJoin(
  before: ListeningBefore,
  asked: ListenRequest,
  flags: number,
  index: number | undefined,
  mustBePort: number | undefined,
): Promise<Error | undefined> {
  const { server, stub } = before;
  const heard = hideListening(server);
  try {
    const failure = await askPrimary(before, asked, flags, index, (handle) => {
      const port = socketName(handle)?.port;
      if (mustBePort !== undefined && port !== mustBePort) {
        handle.close();
        return Object.assign(new Error(`the primary offered port ${port}`), { code: 'EOTHERPORT' });
      }
      if (server._handle !== stub) {
        handle.close();
        return new Error('the app closed the server');
      }
      server._handle = handle;
      server._listen2(asked.address, asked.port, asked.addressType, backlogOf(before), undefined, flags);
      return undefined;
    });
    return failure ?? (await heard.outcome);
  } catch (error) {
    return error as Error;
  } finally {
    heard.restore();
  }
}

/** Asks the primary for a listening handle. `take` has to use it at once, because the next message may be a connection. */
function askPrimary(
  before: ListeningBefore,
  asked: ListenRequest,
  flags: number,
  index: number | undefined,
  take: (handle: ListenHandle) => Error | undefined,
): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let over = false;
    const settle = (failure: Error | undefined) => {
      over = true;
      clearTimeout(late);
      resolve(failure);
    };
    const late = setTimeout(
      () => settle(new Error(`the cluster's primary gave no answer within ${PRIMARY_ANSWERS_MS} ms`)),
      PRIMARY_ANSWERS_MS,
    );
    late.unref();
    (cluster as unknown as ClusterChild)._getServer?.(
      before.server,
      {
        address: asked.address,
        port: asked.port,
        addressType: asked.addressType,
        fd: undefined,
        flags,
        backlog: backlogOf(before),
        ...(index === undefined ? {} : { index }),
      },
      (errno, handle) => {
        try {
          if (over) handle?.close();
          else if (errno || handle === null) settle(failedWith(errno));
          else settle(take(handle));
        } catch (error) {
          settle(error as Error);
        }
      },
    );
  });
}

function failedWith(errno: number): Error {
  const code = attempt(() => getSystemErrorName(errno), `errno ${errno}`);
  return Object.assign(new Error(`the cluster's primary says ${code}`), { code });
}

function indexIn(clusterKey: string | undefined, asked: ListenRequest): number | undefined {
  const prefix = `${asked.address}:${asked.port}:${asked.addressType}:`;
  if (clusterKey === undefined || !clusterKey.startsWith(prefix)) return undefined;
  const index = clusterKey.slice(prefix.length).split(':')[1];
  return index === undefined ? undefined : Number(index);
}
