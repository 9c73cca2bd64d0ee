// One engine per process. The lifecycle that an app imports and the agent that the module injects stop and start the same servers,
// so they share an engine, and each holds a share of it. Disposing of a share undoes what was done through it; the last share
// disposes of the engine.

import type { ServingState } from '../contract/standing.ts';
import { createDrainEngine } from './engine.ts';
import type { DrainEngine } from './types.ts';

/** Shared by every copy of this code in the process. The number is the shape of DrainEngine: raise it when that changes. */
const SHARED = Symbol.for('pm2-ops.engine.2');

interface Shared {
  engine: DrainEngine;
  shares: number;
}

/** The object on which all copies of our code in a process find what they share: `globalThis`, or `process` if the app has frozen
 * its global object. */
export function holderOf(name: symbol): object {
  return name in globalThis || Object.isExtensible(globalThis) ? globalThis : process;
}

/** Takes a share of the process's engine, which the first share makes. `dispose` gives the share back. */
export function takeEngine(): DrainEngine {
  const holder = holderOf(SHARED) as { [SHARED]?: Shared };
  // An engine without shares is still there only if it could not be deleted.
  if (holder[SHARED]?.shares === 0) holder[SHARED].engine = createDrainEngine();
  if (!holder[SHARED]) {
    const value: Shared = { engine: createDrainEngine(), shares: 0 };
    Object.defineProperty(holder, SHARED, { value, enumerable: false, configurable: true });
  }
  const shared = holder[SHARED] as Shared;
  shared.shares++;
  return shareOf(shared, () => {
    if (holder[SHARED] === shared) Reflect.deleteProperty(holder, SHARED);
  });
}

function shareOf(shared: Shared, forget: () => void): DrainEngine {
  const { engine } = shared;
  const undo = new Set<() => void>();
  let drained = false;
  let keepAliveDisabled = false;
  let disposed: Promise<void> | undefined;

  const listening = (off: () => void) => {
    undo.add(off);
    return () => {
      undo.delete(off);
      off();
    };
  };

  return {
    state: () => engine.state(),
    servers: () => engine.servers(),
    addresses: () => engine.addresses(),
    // An engine of 0.1.0 does not tell.
    sockets: () => (engine as Partial<DrainEngine>).sockets?.() ?? [],
    totals: () => engine.totals(),
    // As above.
    openConnections: () => (engine as Partial<DrainEngine>).openConnections?.() ?? 0,
    keepAlive: () => engine.keepAlive(),
    disableKeepAlive() {
      keepAliveDisabled = true;
      return engine.disableKeepAlive();
    },
    enableKeepAlive() {
      keepAliveDisabled = false;
      return engine.enableKeepAlive();
    },
    drain(options) {
      drained = true;
      return engine.drain(options);
    },
    resume() {
      drained = false;
      return engine.resume();
    },
    // An engine of 0.1.0 cannot tell.
    leaving: () => (engine as Partial<DrainEngine>).leaving?.() ?? false,
    dispose() {
      disposed ??= giveBack();
      return disposed;
    },
    onState: (listener: (state: ServingState) => void) => listening(engine.onState(listener)),
    onServer: (listener: () => void) => listening(engine.onServer(listener)),
  };

  async function giveBack(): Promise<void> {
    for (const off of undo) off();
    shared.shares--;
    if (shared.shares === 0) {
      forget();
      await engine.dispose();
      return;
    }
    if (drained) await engine.resume().catch(() => {});
    if (keepAliveDisabled) engine.enableKeepAlive();
  }
}
