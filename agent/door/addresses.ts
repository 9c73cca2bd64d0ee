// Under which names may a socket be held that an app is about to listen on? The module names it as the kernel does.

/** Of `listen` with `reusePort` (libuv). */
export const UV_TCP_REUSEPORT = 2;

/** The arguments of Node's `_listen2` (lib/net.js, setupListenHandle). */
export type ListenArguments = [
  address: string | null | undefined,
  port: number,
  /** 4, 6, or -1 for a path. */
  addressType: number,
  backlog: unknown,
  fd: number | null | undefined,
  flags: number | undefined,
];

/** Does the new socket share its port with others by itself? Such a one is not held: the kernel would give it connections. */
export function sharesPort([, , , , , flags]: ListenArguments): boolean {
  return ((flags ?? 0) & UV_TCP_REUSEPORT) !== 0;
}

/** @returns none for a path, a descriptor and any free port */
export function addressesOf([address, port, addressType, , fd]: ListenArguments): string[] {
  const isTcp = addressType === 4 || addressType === 6;
  if (!isTcp || !(port > 0) || (typeof fd === 'number' && fd >= 0)) return [];
  // Node tries both.
  if (!address) return [`[::]:${port}`, `0.0.0.0:${port}`];
  return [address.includes(':') ? `${normal(address)}:${port}` : `${address}:${port}`];
}

/** `[::1]` for `0:0:0:0:0:0:0:1`. */
function normal(address: string): string {
  try {
    return new URL(`http://[${address}]`).hostname;
  } catch {
    // It has a zone.
    return `[${address}]`;
  }
}
