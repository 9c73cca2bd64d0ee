// Has the servers of this process listen on the sockets that the module holds for it. Node's `listen` ends in
// `net.Server#_listen2`, kept "to avoid breaking code that wraps this method" (lib/net.js): a server that has a handle by then
// listens on that one, as ever.
import net from 'node:net';
import type { SocketHandle } from '../../shared/ipc/bindings.ts';
import { addressOfHandle } from '../../shared/ipc/lines.ts';
import { addressesOf, type ListenArguments, sharesPort } from './addresses.ts';
import type { Ask } from './ask.ts';
import { endModule, hungModule } from './hungModule.ts';
import { isFree } from './probe.ts';
import { isReloadUnfinished, isTaken } from './unfinishedReload.ts';

/** Sockets that are not used so long after the first one are given back. */
const OTHERS_WITHIN_MS = 5_000;
/** How long a module that holds the port may not answer, in milliseconds, before it is ended. PM2 starts it again. */
const MODULE_ANSWERS_WITHIN_MS = 4_000;
const ASKS_AGAIN_AFTER_MS = 100;
/** How long PM2 may take to start the next module, and that to pass a canary's socket on. */
const NEXT_MODULE_WITHIN_MS = 10_000;

interface Server {
  _handle: SocketHandle | null;
  _listen2(...args: ListenArguments): void;
}

/** The door of a process, seen from inside. Its shape is shared by all copies and versions of this code in the process. */
export interface Door {
  /** The app's own code has loaded it, and does so in its next process: the state folder where it asks. */
  itself?: string;
  /**
   * Sockets to listen on.
   * @param limitMs when they are given back, if the process listens on none
   */
  take(held: ReadonlyMap<string, SocketHandle>, limitMs: number): void;
  /** The module holds these: who listens there anew has to ask for it first. */
  held(at: readonly string[]): void;
  /** Takes it out again; sockets that are not used yet are closed. */
  remove(): void;
}

export interface ListenParts {
  ask: Ask;
  /** The state folder. */
  folder: string;
  /** The process has loaded the door before its app: the module gets each socket that it listens on. */
  prepared: boolean;
  /** The module has not answered: any address may be held. */
  isUnsure: boolean;
  /** It is being asked; tells whether it has answered. Never rejects. */
  asking?: Promise<boolean>;
}

/** Wraps `listen` of this process. Nothing that goes wrong here reaches the app: it listens as it would have. */
export function wrapListening({ ask, folder, prepared, ...parts }: ListenParts): Door {
  const prototype = net.Server.prototype as unknown as Server;
  const original = prototype._listen2;
  const taken = new Map<string, SocketHandle>();
  const known = new Set<string>();
  let { isUnsure, asking } = parts;
  let isOpen = true;
  let timer: NodeJS.Timeout | undefined;

  const listen2: Server['_listen2'] = function (this: Server, ...args) {
    const go = (at?: string) => Reflect.apply(original, this, at === undefined ? args : as(at, args));
    let wanted: string[] = [];
    let inTheWay: string[] = [];
    let later = false;
    try {
      wanted = this._handle ? [] : addressesOf(args);
      if (asking && wanted.length > 0 && !sharesPort(args) && !isFree(args)) {
        // Whoever has the port, the answer tells it.
        void asking.then(() => Reflect.apply(listen2, this, args));
        return;
      }
      const at = sharesPort(args) ? undefined : wanted.find((each) => taken.has(each));
      const handle = at === undefined ? undefined : taken.get(at);
      if (at !== undefined && handle) {
        taken.delete(at);
        this._handle = handle;
        giveBackSoon(OTHERS_WITHIN_MS);
        return listened(this, args, () => go(at));
      }
      inTheWay = wanted.length > 0 ? [...taken.keys()].filter((each) => each.endsWith(`:${args[1]}`)) : [];
      if (inTheWay.length > 0 && isFree(args)) inTheWay = [];
      later = isUnsure || inTheWay.length > 0 || wanted.some((each) => known.has(each));
    } catch {
      // As without us.
    }
    if (wanted.length === 0) go();
    else if (!later) listened(this, args, go);
    else void listenLater(this, { wanted, inTheWay }, args, go);
  };

  prototype._listen2 = listen2;
  void asking?.then((isAnswered) => {
    asking = undefined;
    isUnsure = isOpen && !isAnswered;
  });
  return {
    take(held, limitMs) {
      for (const [at, handle] of held) {
        known.add(at);
        taken.set(at, handle);
      }
      if (held.size > 0) giveBackSoon(limitMs);
    },
    held(at) {
      for (const each of at) known.add(each);
    },
    remove() {
      // Another wrapper around ours keeps it.
      if (prototype._listen2 === listen2) prototype._listen2 = original;
      isOpen = false;
      isUnsure = false;
      known.clear();
      giveBack();
    },
  };

  /** The module gets what it does not hold yet, and learns that the rest is in use. */
  function listened(server: Server, args: ListenArguments, go: () => unknown): void {
    go();
    try {
      const handle = isOpen && prepared && !sharesPort(args) ? server._handle : null;
      const at = handle ? addressOfHandle(handle) : undefined;
      if (!handle || at === undefined) return;
      known.add(at);
      void ask({ ask: 'put', at, prepared: true, handle: true }, handle);
    } catch {
      // It is not held.
    }
  }

  /** The address may be free, or held for this process, which has listened there before. */
  async function listenLater(
    server: Server,
    { wanted, inTheWay }: Record<'wanted' | 'inTheWay', string[]>,
    args: ListenArguments,
    go: (at?: string) => unknown,
  ) {
    let at: string | undefined;
    try {
      if (sharesPort(args)) await leave(wanted);
      // Its address has changed, and the one before keeps it from that port.
      else if (inTheWay.length > 0) await leave(inTheWay);
      else at = await takeAgain(server, wanted, args[1]);
    } catch {
      // As without us.
    }
    listened(server, args, () => go(at));
  }

  /** @returns the address whose socket the server has now */
  async function takeAgain(server: Server, wanted: string[], port: number): Promise<string | undefined> {
    let at: string | undefined;
    for (const [each, handle] of await heldNow(port)) {
      if (at === undefined && wanted.includes(each) && !server._handle) {
        at = each;
        server._handle = handle;
      } else handle.close();
    }
    return at;
  }

  /** What the module holds for this process. It has to answer if it holds that port. */
  async function heldNow(port: number): Promise<Iterable<[string, SocketHandle]>> {
    const startedMs = performance.now();
    for (;;) {
      const answer = await ask({ ask: 'take' });
      const waitedMs = performance.now() - startedMs;
      const isAnswered = typeof answer === 'object';
      if (isAnswered && answer.held.size > 0) return answer.held;
      const hung = isAnswered ? undefined : hungModule(folder, port);
      if (hung === undefined && !needsNextModule(port, waitedMs)) return [];
      if (hung !== undefined && waitedMs > MODULE_ANSWERS_WITHIN_MS) await endModule(hung, port);
      else await new Promise((resolve) => setTimeout(resolve, ASKS_AGAIN_AFTER_MS));
    }
  }

  function needsNextModule(port: number, waitedMs: number): boolean {
    return isUnsure && waitedMs < NEXT_MODULE_WITHIN_MS && isReloadUnfinished(folder) && isTaken(port);
  }

  function giveBackSoon(afterMs: number): void {
    clearTimeout(timer);
    timer = setTimeout(giveBack, afterMs);
    timer.unref();
  }

  function giveBack(): void {
    clearTimeout(timer);
    if (taken.size > 0) void leave([...taken.keys()]);
  }

  /** The module is to hold these no longer. */
  async function leave(at: string[]): Promise<void> {
    for (const each of at) {
      taken.get(each)?.close();
      taken.delete(each);
    }
    await ask({ ask: 'leave', at });
  }
}

/** The arguments for a socket that is bound already: Node says in a server's key which of the two it became. */
function as(at: string, [address, port, addressType, ...rest]: ListenArguments): ListenArguments {
  if (address) return [address, port, addressType, ...rest];
  return at.startsWith('[') ? ['::', port, 6, ...rest] : ['0.0.0.0', port, 4, ...rest];
}
