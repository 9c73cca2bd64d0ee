// Could this process bind a socket there now? Tries it for a moment, as Node does before it listens.
import net from 'node:net';
import { constants } from 'node:os';
import type { SocketHandle } from '../../shared/ipc/bindings.ts';
import type { ListenArguments } from './addresses.ts';

/** lib/net.js, createServerHandle: a socket, or the number of an error. */
type CreateServerHandle = (
  address: string,
  port: number,
  type: number,
  fd: number,
  flags: number,
) => SocketHandle | number;

/** The address of a probe, and the flags of libuv. */
export interface Probe {
  address: string;
  port: number;
  type: 4 | 6;
  flags: number;
}

/** Is nobody there? @returns false, too, where it cannot be told */
export function isFree([address, port, type, , , flags = 0]: ListenArguments): boolean {
  if (address) return bindError({ address, port, type: type === 6 ? 6 : 4, flags }) === 0;
  const error = bindError({ address: '::', port, type: 6, flags });
  // Where there is no IPv6, Node listens on the other one.
  return error === 0 || (error !== TAKEN && bindError({ address: '0.0.0.0', port, type: 4, flags }) === 0);
}

const TAKEN = -constants.errno.EADDRINUSE;

/** @returns 0, or the number of an error */
export function bindError({ address, port, type, flags }: Probe): number {
  const create = (net as unknown as { _createServerHandle?: CreateServerHandle })._createServerHandle;
  const probe = create?.(address, port, type, -1, flags) ?? TAKEN;
  if (typeof probe !== 'object') return probe;
  // libuv tells of an address that is taken only when it is asked for it.
  const error = probe.getsockname({});
  probe.close();
  return error;
}
