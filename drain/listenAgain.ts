// Has a stopped server listen as before, with the second half of Node's own `listen`: it binds a socket of this process again, or
// joins the socket of a cluster's primary again.

import { chmodSync } from 'node:fs';
import { attempt } from '../shared/guard.ts';
import { hideListening } from './hideListening.ts';
import { joinPrimary } from './joinPrimary.ts';
import {
  backlogOf,
  fileMode,
  type ListeningBefore,
  type ListenRequest,
  nameOf,
  requestFor,
} from './listeningBefore.ts';

const UV_TCP_IPV6ONLY = 1;
const UV_TCP_REUSEPORT = 2;

/**
 * Has a stopped server listen as before.
 * @throws when that fails; the stub then stays in place, and another call may try again
 */
export async function listenAgain(before: ListeningBefore): Promise<void> {
  const { server, stub, key, path, mode } = before;
  const asked = requestFor(before);
  const flags = before.options.ipv6Only === true ? UV_TCP_IPV6ONLY : 0;
  const reuse = before.options.reusePort === true ? UV_TCP_REUSEPORT : 0;
  const failure = await (before.holding === 'own'
    ? bind(before, asked, flags | reuse)
    : joinPrimary(before, asked, flags));
  if (server._handle !== stub && server._handle !== null && failure === undefined) {
    // `_listen2` has stored the port that we asked for; the app had asked for 0.
    if (key !== '') server._connectionKey = key;
    if (path !== undefined) server._pipeName = path;
    if (mode !== undefined && fileMode(path) !== mode)
      attempt(() => chmodSync(path as string, mode & 0o777), undefined);
    stub.close();
    return;
  }
  if (stub.closed || (server._handle !== stub && server._handle !== null)) return; // The app's own doing.
  server._handle = stub;
  const where = before.path ?? nameOf(before.name);
  throw new Error(`cannot listen on ${where} again: ${failure?.message ?? 'nothing was heard'}`, { cause: failure });
}

/** Binds a socket of this process: fork mode, the primary, or `exclusive`. */
async function bind(before: ListeningBefore, asked: ListenRequest, flags: number): Promise<Error | undefined> {
  const first = await tryBind(before, asked, flags);
  if ((first as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE' || asked.port < 0) return first;
  // These two options leave no trace in the server, so we do not know them if we came after `listen`.
  if (asked.addressType === 6 && (await tryBind(before, asked, flags | UV_TCP_IPV6ONLY)) === undefined)
    return undefined;
  const reusable = Number(process.versions.node.split('.')[0]) >= 22 && process.platform === 'linux';
  if (reusable && (await tryBind(before, asked, flags | UV_TCP_REUSEPORT)) === undefined) return undefined;
  return first;
}

async function tryBind(before: ListeningBefore, asked: ListenRequest, flags: number): Promise<Error | undefined> {
  const { server, stub } = before;
  if (server._handle !== stub) return undefined;
  const heard = hideListening(server);
  server._handle = null;
  try {
    server._listen2(asked.address, asked.port, asked.addressType, backlogOf(before), undefined, flags);
    const failure = await heard.outcome;
    if (server._handle === null && !stub.closed && failure !== undefined) server._handle = stub;
    return failure;
  } catch (error) {
    server._handle ??= stub;
    return error as Error;
  } finally {
    heard.restore();
  }
}
