// The app's servers as an operator sees them.

import type { ListenAddress, ServerInfo } from '../contract/standing.ts';
import { attempt } from '../shared/guard.ts';
import { inFlightOn, openConnections } from './connections.ts';
import { holdingOf } from './listeningBefore.ts';
import type { ServerInternals } from './nodeInternals.ts';
import { addressOf, kindOf } from './servers.ts';
import type { StoppedServer } from './stopListening.ts';
import type { OwnSocket } from './types.ts';

/** The servers that listen, are stopped, or still have connections. */
export function describeServers(
  servers: ServerInternals[],
  isStopped: (server: ServerInternals) => boolean,
): ServerInfo[] {
  const connections = openConnections(servers);
  const all = new Set([...servers, ...connections.map(({ server }) => server)]);
  return [...all].flatMap((server) => {
    const own = connections.filter((connection) => connection.server === server);
    if (server._handle === null && own.length === 0) return [];
    return {
      kind: kindOf(server),
      address: addressOf(server),
      listening: server._handle !== null && !isStopped(server),
      connections: own.length,
      inFlight: own.reduce((sum, connection) => sum + inFlightOn(connection), 0),
      ...keepAliveOf(server),
    };
  });
}

/** Where these servers take connections, or took them before they were stopped. */
export function listenAddresses(
  servers: ServerInternals[],
  stoppedOf: (server: ServerInternals) => StoppedServer | undefined,
): ListenAddress[] {
  return servers.flatMap((server): ListenAddress[] => {
    const at = addressOf(server);
    const { _handle: handle, _connectionKey: key = '' } = server;
    if (handle === null || at === '') return [];
    const own = (stoppedOf(server)?.holding ?? attempt(() => holdingOf(handle), 'own')) === 'own';
    return [{ at, ...(own ? { own } : {}), ...(key.endsWith(':0') ? { anyPort: true } : {}) }];
  });
}

/** The sockets of these servers on which a successor of this process could listen. */
export function ownSockets(servers: ServerInternals[]): OwnSocket[] {
  return servers.flatMap((server): OwnSocket[] => {
    const [{ at, own, anyPort } = {} as Partial<ListenAddress>] = listenAddresses([server], () => undefined);
    const { _handle: handle, _pipeName: path } = server;
    return at === undefined || own !== true || anyPort || !handle || path !== undefined ? [] : [{ at, handle }];
  });
}

/** Only for HTTP/1: newer HTTP/2 servers have the property, too, for clients of HTTP/1. */
function keepAliveOf(server: ServerInternals): { keepAliveTimeoutMs?: number } {
  const speaksHttp1 = kindOf(server) === 'http' || kindOf(server) === 'https';
  return speaksHttp1 && server.keepAliveTimeout !== undefined ? { keepAliveTimeoutMs: server.keepAliveTimeout } : {};
}
