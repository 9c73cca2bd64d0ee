// Stops taking connections, and takes them again, without the app noticing: `server.close()` would emit its `close`
// event and make its own later `close()` fail. The real handle is closed and a stub stands in for it.

import cluster from 'node:cluster';
import { chmodSync, statSync } from 'node:fs';
import { getSystemErrorName } from 'node:util';
import { attempt } from '../shared/guard.ts';
import type { ClusterChild, ListenHandle, ServerInternals, SocketName } from './internals.ts';
import { addressOf, type ListenOptions } from './servers.ts';

/** After this many milliseconds without an answer from the cluster's primary, listening again has failed. */
const PRIMARY_ANSWERS_MS = 5_000;
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
const DEFAULT_BACKLOG = 511;
const UV_TCP_IPV6ONLY = 1;
const UV_TCP_REUSEPORT = 2;

/** A server that does not take connections for now. */
export interface StoppedServer {
  readonly server: ServerInternals;
  /** Where it listened: `0.0.0.0:3000` or a path. */
  readonly address: string;
  /** Held by this process alone, or shared out by a cluster's primary? */
  readonly holding: Holding;
  /** Has the app closed or re-opened the server itself since? Then it is no longer ours. */
  taken(): boolean;
  /** Listens as before and resolves to the address, or to undefined if the app took the server over meanwhile. */
  resume(): Promise<string | undefined>;
}

/** How a server's listening socket is held. */
export type Holding = 'own' | 'shared' | 'round-robin';

/** The stub in `_handle` while a server is stopped. */
class StoppedHandle implements ListenHandle {
  readonly fd = -1;
  readonly #name: SocketName | undefined;
  readonly #asyncId: number;
  #alive: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(name: SocketName | undefined, asyncId: number, referenced: boolean) {
    this.#name = name;
    this.#asyncId = asyncId;
    // Node asks whether there is a `getsockname` at all: a socket's path has none in a cluster worker.
    if (name === undefined) Object.defineProperty(this, 'getsockname', { value: undefined });
    if (referenced) this.ref();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Keeps the process alive like the listening socket did. */
  ref(): void {
    if (!this.#closed) this.#alive ??= setInterval(() => {}, LONGEST_TIMEOUT_MS);
  }

  unref(): void {
    clearInterval(this.#alive);
    this.#alive = undefined;
  }

  hasRef(): boolean {
    return this.#alive !== undefined;
  }

  getAsyncId(): number {
    return this.#asyncId;
  }

  getsockname(out: SocketName): number {
    Object.assign(out, this.#name);
    return 0;
  }

  listen(): number {
    return 0;
  }

  fchmod(): number {
    return 0;
  }

  close(callback?: () => void): void {
    this.#closed = true;
    this.unref();
    if (typeof callback === 'function') process.nextTick(callback);
  }
}

/** Stops listening at once. What is in the kernel's queue should have been accepted before (`acceptQueued`). */
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

/** Lets the event loop accept what already waits in the kernel's queue: closing the socket would reset it.
 * `accepted` tells how many connections there have been so far. */
export async function acceptQueued(accepted: () => number): Promise<void> {
  for (let turn = 0; turn < 8; turn++) {
    const before = accepted();
    await new Promise<void>((resolve) => setImmediate(resolve));
    if (turn > 0 && accepted() === before) return;
  }
}

interface Again {
  server: ServerInternals;
  stub: StoppedHandle;
  options: ListenOptions;
  key: string;
  path: string | undefined;
  mode: number | undefined;
  name: SocketName | undefined;
  holding: Holding;
  clusterKey: string | undefined;
}

async function listenAgain(again: Again): Promise<void> {
  const { server, stub, key, path, mode } = again;
  const asked = parseKey(again);
  const flags = again.options.ipv6Only === true ? UV_TCP_IPV6ONLY : 0;
  const reuse = again.options.reusePort === true ? UV_TCP_REUSEPORT : 0;
  const failure = await (again.holding === 'own' ? bind(again, asked, flags | reuse) : join(again, asked, flags));
  if (server._handle !== stub && server._handle !== null && failure === undefined) {
    // `_listen2` wrote the port that we asked for; the app's was 0.
    if (key !== '') server._connectionKey = key;
    if (path !== undefined) server._pipeName = path;
    if (mode !== undefined && fileMode(path) !== mode)
      attempt(() => chmodSync(path as string, mode & 0o777), undefined);
    stub.close();
    return;
  }
  if (stub.closed || (server._handle !== stub && server._handle !== null)) return; // The app's own doing.
  server._handle = stub;
  const where = again.path ?? describe(again.name);
  throw new Error(`cannot listen on ${where} again: ${failure?.message ?? 'nothing was heard'}`, { cause: failure });
}

/** Binds a socket of this process: fork mode, the primary, or `exclusive`. */
async function bind(again: Again, asked: Asked, flags: number): Promise<Error | undefined> {
  const first = await tryBind(again, asked, flags);
  if ((first as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE' || asked.port < 0) return first;
  // We may have come after `listen` and not know these two options: they leave no trace in the server.
  if (asked.addressType === 6 && (await tryBind(again, asked, flags | UV_TCP_IPV6ONLY)) === undefined) return undefined;
  const reusable = Number(process.versions.node.split('.')[0]) >= 22 && process.platform === 'linux';
  if (reusable && (await tryBind(again, asked, flags | UV_TCP_REUSEPORT)) === undefined) return undefined;
  return first;
}

async function tryBind(again: Again, asked: Asked, flags: number): Promise<Error | undefined> {
  const { server, stub } = again;
  if (server._handle !== stub) return undefined;
  const heard = silenced(server);
  server._handle = null;
  try {
    server._listen2(asked.address, asked.port, asked.addressType, backlogOf(again), undefined, flags);
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

/** Joins the socket that the cluster's primary holds for all workers, or has it opened again. */
async function join(again: Again, asked: Asked, flags: number): Promise<Error | undefined> {
  // Listening on port 0 is shared under a key with an index: the same index finds the siblings' socket.
  const index = indexIn(again.clusterKey, asked);
  const samePort = again.name?.port;
  const portZero = asked.port === 0 && samePort !== undefined;
  const first = await tryJoin(again, asked, flags, index, portZero ? samePort : undefined);
  if (!portZero || (first as NodeJS.ErrnoException | undefined)?.code !== 'EOTHERPORT') return first;
  // Nobody held the socket, so the primary opened another port. Ask for ours by number.
  return tryJoin(again, { ...asked, port: samePort }, flags, undefined, samePort);
}

async function tryJoin(
  again: Again,
  asked: Asked,
  flags: number,
  index: number | undefined,
  mustBePort: number | undefined,
): Promise<Error | undefined> {
  const { server, stub } = again;
  const heard = silenced(server);
  try {
    const failure = await askPrimary(again, asked, flags, index, (handle) => {
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
      server._listen2(asked.address, asked.port, asked.addressType, backlogOf(again), undefined, flags);
      return undefined;
    });
    return failure ?? (await heard.outcome);
  } catch (error) {
    return error as Error;
  } finally {
    heard.restore();
  }
}

/** Asks the primary for a listening handle. `take` must put it to use at once: a connection may be the next message. */
function askPrimary(
  again: Again,
  asked: Asked,
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
      again.server,
      {
        address: asked.address,
        port: asked.port,
        addressType: asked.addressType,
        fd: undefined,
        flags,
        backlog: backlogOf(again),
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

/** Keeps the one `listening` or `error` event that listening again causes from the app's listeners; those that Node
 * itself added for this call do hear it. */
function silenced(server: ServerInternals): { outcome: Promise<Error | undefined>; restore(): void } {
  const before = new Set<unknown>(server.rawListeners('listening'));
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit = server.emit;
  let settle: (failure: Error | undefined) => void = () => {};
  const outcome = new Promise<Error | undefined>((resolve) => {
    settle = resolve;
  });
  const intercepted = function (this: ServerInternals, event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'listening') {
      for (const listener of server.rawListeners('listening'))
        if (!before.has(listener)) attempt(() => Reflect.apply(listener, server, args), undefined);
      settle(undefined);
      return true;
    }
    if (event === 'error') {
      settle(args[0] as Error);
      return true;
    }
    if (event === 'close') settle(undefined);
    return Reflect.apply(emit, this, [event, ...args]) as boolean;
  };
  Object.defineProperty(server, 'emit', { value: intercepted, configurable: true, writable: true });
  return {
    outcome,
    restore() {
      for (const listener of server.rawListeners('listening'))
        if (!before.has(listener)) server.removeListener('listening', listener as () => void);
      if (server.emit !== (intercepted as unknown)) return; // Somebody wrapped it since; it passes everything else on.
      if (own === undefined) delete (server as unknown as { emit?: unknown }).emit;
      else Object.defineProperty(server, 'emit', own);
    },
  };
}

/** What to ask for: the original arguments of `listen`, with the port that port 0 became where this process binds. */
interface Asked {
  address: string | null;
  port: number;
  addressType: number;
}

function parseKey({ key, name, path, holding }: Again): Asked {
  const parts = /^(-?\d+):(.*):(-?\d+)$/s.exec(key);
  if (path !== undefined) return { address: path, port: -1, addressType: -1 };
  if (parts === null || Number(parts[3]) < 0) {
    // A handle or descriptor that the app was given: what is left is where it was bound.
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

function indexIn(clusterKey: string | undefined, asked: Asked): number | undefined {
  const prefix = `${asked.address}:${asked.port}:${asked.addressType}:`;
  if (clusterKey === undefined || !clusterKey.startsWith(prefix)) return undefined;
  const index = clusterKey.slice(prefix.length).split(':')[1];
  return index === undefined ? undefined : Number(index);
}

/** The key under which the primary knows a socket: a worker's handle says it only when it is closed. */
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

/** How a server's listening socket is held; not of one that is stopped. */
export function holdingOf(handle: ListenHandle): Holding {
  if (Object.hasOwn(handle, 'listen')) return 'round-robin';
  return Object.hasOwn(handle, 'close') ? 'shared' : 'own';
}

function socketName(handle: ListenHandle): SocketName | undefined {
  if (typeof handle.getsockname !== 'function') return undefined;
  const name: SocketName = {};
  return attempt(() => handle.getsockname?.(name), -1) === 0 ? name : undefined;
}

function fileMode(path: string | undefined): number | undefined {
  if (path === undefined || path.startsWith('\0')) return undefined;
  return attempt(() => statSync(path).mode, undefined);
}

function backlogOf({ options }: Again): number {
  return Number(options.backlog) || DEFAULT_BACKLOG;
}

function describe(name: SocketName | undefined): string {
  return name === undefined ? 'its socket' : `${name.address}:${name.port}`;
}
