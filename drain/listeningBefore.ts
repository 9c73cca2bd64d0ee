// How a stopped server listened: the arguments of `listen` and where the socket was bound, so that it can listen again.

import { statSync } from 'node:fs';
import { attempt } from '../shared/guard.ts';
import type { ListenHandle, ServerInternals, SocketName } from './nodeInternals.ts';
import type { ListenOptions } from './servers.ts';
import type { StoppedHandle } from './stoppedHandle.ts';

const DEFAULT_BACKLOG = 511;

/** What holds a server's listening socket: this process alone, or a cluster's primary, which shares it. */
export type Holding = 'own' | 'shared' | 'round-robin';

/** All that is needed to have a stopped server listen as it did before. */
export interface ListeningBefore {
  server: ServerInternals;
  stub: StoppedHandle;
  options: ListenOptions;
  /** Node's `_connectionKey`: what the app has asked for. */
  key: string;
  path: string | undefined;
  /** The mode of a Unix socket's file. */
  mode: number | undefined;
  /** Where the socket was bound. */
  name: SocketName | undefined;
  holding: Holding;
  /** The key under which the cluster's primary knows the socket. */
  clusterKey: string | undefined;
}

/** What to ask for: the original arguments of `listen`. If the app asked for port 0 and this process binds, the port it got. */
export interface ListenRequest {
  address: string | null;
  port: number;
  addressType: number;
}

/** The arguments for listening again, from what is known of the `listen` before. */
export function requestFor({ key, name, path, holding }: ListeningBefore): ListenRequest {
  const parts = /^(-?\d+):(.*):(-?\d+)$/s.exec(key);
  if (path !== undefined) return { address: path, port: -1, addressType: -1 };
  if (parts === null || Number(parts[3]) < 0) {
    // The app listened on a handle or a descriptor; only the address that it was bound to remains.
    if (name?.port === undefined)
      throw new Error('the app listens on a descriptor of its own, which cannot be reopened');
    return { address: name.address ?? null, port: name.port, addressType: name.family === 'IPv6' ? 6 : 4 };
  }
  const port = Number(parts[3]);
  return {
    address: parts[2] === 'null' || parts[2] === 'undefined' ? null : (parts[2] as string),
    port: port === 0 && holding === 'own' ? (name?.port ?? 0) : port,
    addressType: Number(parts[1]),
  };
}

/** What holds a server's listening socket. Not for a stub. */
export function holdingOf(handle: ListenHandle): Holding {
  if (Object.hasOwn(handle, 'listen')) return 'round-robin';
  return Object.hasOwn(handle, 'close') ? 'shared' : 'own';
}

/** Where a handle is bound; undefined if it cannot tell. */
export function socketName(handle: ListenHandle): SocketName | undefined {
  if (typeof handle.getsockname !== 'function') return undefined;
  const name: SocketName = {};
  return attempt(() => handle.getsockname?.(name), -1) === 0 ? name : undefined;
}

/** The mode of a Unix socket's file; abstract sockets (Linux) have none. */
export function fileMode(path: string | undefined): number | undefined {
  if (path === undefined || path.startsWith('\0')) return undefined;
  return attempt(() => statSync(path).mode, undefined);
}

/** How many connections the kernel may queue. */
export function backlogOf({ options }: ListeningBefore): number {
  return Number(options.backlog) || DEFAULT_BACKLOG;
}

/** `127.0.0.1:3000`, for an error message. */
export function nameOf(name: SocketName | undefined): string {
  return name === undefined ? 'its socket' : `${name.address}:${name.port}`;
}
