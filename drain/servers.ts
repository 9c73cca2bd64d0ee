// Finds the servers of this process. An agent may arrive long after `listen`, when connections are open.

import type { Server } from 'node:net';
import type { ServerInfo } from '../contract/standing.ts';
import { attempt, guarded, subscribe } from '../shared/guard.ts';
import { isClusterWorker, serversInCluster } from './clusterHandles.ts';
import { activeHandles, isServer, type ServerInternals } from './nodeInternals.ts';

/** What the app has passed to `listen`, if we were there to see it. */
export interface ListenOptions {
  backlog?: number;
  ipv6Only?: boolean;
  reusePort?: boolean;
}

/** Finds the app's servers, and remembers them without keeping closed ones alive. */
export class ServerFinder {
  readonly #known = new Set<WeakRef<ServerInternals>>();
  readonly #seen = new WeakSet<object>();
  readonly #options = new WeakMap<object, ListenOptions>();
  readonly #undo: (() => void)[] = [];
  readonly #learnt = new Set<(server: ServerInternals, byConnection: boolean) => void>();
  #clusterScanned = false;
  #blind = false;
  #accepted = 0;

  constructor() {
    this.#undo.push(
      // Once per connection, not per request: it reveals servers that the lookup has not found.
      subscribe<{ socket: { server?: unknown } }>('net.server.socket', ({ socket }) => {
        this.#accepted++;
        this.#learn(socket.server, true);
      }),
      subscribe<{ server: unknown; options?: ListenOptions }>('tracing:net.server.listen:asyncStart', (message) => {
        if (isServer(message.server)) this.#options.set(message.server, message.options ?? {});
      }),
      subscribe<{ server: unknown }>('tracing:net.server.listen:asyncEnd', ({ server }) => this.#learn(server)),
    );
  }

  /** The servers that listen, in the order they were learnt. The first call in a cluster worker blocks for a few ms. */
  listening(): ServerInternals[] {
    return this.all().filter((server) => server._handle !== null);
  }

  /** Every server that is still alive, listening or not. */
  all(): ServerInternals[] {
    for (const owner of attempt(activeHandles, [])) if (isServer(owner)) this.#learn(owner);
    if (!this.#clusterScanned && isClusterWorker()) {
      this.#clusterScanned = true;
      const servers = serversInCluster();
      this.#blind = servers === undefined;
      for (const server of servers ?? []) this.#learn(server);
    }
    const alive: ServerInternals[] = [];
    for (const ref of this.#known) {
      const server = ref.deref();
      if (server === undefined) this.#known.delete(ref);
      else alive.push(server);
    }
    return alive;
  }

  /** How many connections Node counts at the servers that are known. Looks for no others, so that it may be called every second. */
  openConnections(): number {
    let open = 0;
    for (const ref of this.#known) open += ref.deref()?._connections ?? 0;
    return open;
  }

  /** What the app has passed to `listen`; empty if that was before we came. */
  optionsOf(server: ServerInternals): ListenOptions {
    return this.#options.get(server) ?? {};
  }

  /** How many connections the process has accepted since this was created. */
  get accepted(): number {
    return this.#accepted;
  }

  /** May there be servers that only their next connection reveals? So it is in a cluster worker where the lookup fails. */
  get blind(): boolean {
    return this.#blind;
  }

  /** Calls back for every server that becomes known; `byConnection`: only a connection has revealed it. Returns the undo. */
  onLearnt(listener: (server: ServerInternals, byConnection: boolean) => void): () => void {
    const safe = guarded(listener);
    this.#learnt.add(safe);
    return () => {
      this.#learnt.delete(safe);
    };
  }

  dispose(): void {
    for (const undo of this.#undo.splice(0)) undo();
    this.#known.clear();
    this.#learnt.clear();
  }

  #learn(server: unknown, byConnection = false): void {
    if (typeof server !== 'object' || server === null || this.#seen.has(server) || !isServer(server)) return;
    this.#seen.add(server);
    this.#known.add(new WeakRef(server));
    for (const listener of this.#learnt) listener(server, byConnection);
  }
}

/** What an operator calls this server. Looks at shape and class name, so that `http2` need not be loaded. */
export function kindOf(server: ServerInternals): ServerInfo['kind'] {
  for (let proto = Object.getPrototypeOf(server); proto !== null; proto = Object.getPrototypeOf(proto)) {
    if (/^Http2(Secure)?Server$/.test(proto.constructor?.name ?? '')) return 'http2';
  }
  const shape = server as Partial<Record<'closeIdleConnections' | 'setSecureContext', unknown>>;
  if (typeof shape.closeIdleConnections === 'function') return isSecure(server) ? 'https' : 'http';
  return isSecure(server) ? 'tls' : 'net';
}

/** Does it speak TLS? */
export function isSecure(server: object): boolean {
  return typeof (server as { setSecureContext?: unknown }).setSecureContext === 'function';
}

/** `0.0.0.0:3000`, `[::]:3000`, a socket's path, or an empty string. */
export function addressOf(server: Server & Pick<ServerInternals, '_pipeName'>): string {
  const address = attempt(() => server.address(), null);
  if (address === null) return server._pipeName ?? '';
  if (typeof address === 'string') return address;
  if (address.address === undefined) return server._pipeName ?? '';
  return address.address.includes(':') ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
