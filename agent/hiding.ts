// Hides the `pm2 trigger`s that the agent answers from the app's own `message` listeners: an app that throws on an unknown message
// would die of one. An emitter cannot be stopped between two listeners, so the agent takes triggers out before they are emitted,
// and only in apps that listen to messages themselves.
import cluster from 'node:cluster';
import { appHandlesMessages, appTakesActions, isAppsMessageListener, ours } from './listeners.ts';

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/** The one hook of a process, shared by all copies of the agent. It stays if the app has wrapped it, and then takes nothing. */
interface Hook {
  /** Does the agent take that message? Then no listener gets it. null while there is no agent. */
  take: ((message: unknown) => boolean) | null;
  /** Puts the former `emit` back, unless the app has wrapped ours. */
  remove(): void;
}

const HOOK = Symbol.for('pm2-ops.hook');
const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;

/**
 * Takes messages before the app's listeners get them, as soon as the app has listeners.
 * @param take handles a message; returns whether it was for us
 * @returns a function that undoes this
 */
export function hideFromApp(take: (message: unknown) => boolean): () => void {
  const emitters = [process, cluster.worker].filter((each) => each !== undefined) as NodeJS.EventEmitter[];
  const onListener = ours((event: unknown, listener: unknown) => {
    if (event === 'message') guarded(() => isAppsMessageListener(listener) && hide());
  });
  guarded(() => {
    for (const emitter of emitters) emitter.on('newListener', onListener);
    if (appHandlesMessages()) hide();
  });

  return () =>
    guarded(() => {
      for (const emitter of emitters) emitter.removeListener('newListener', onListener);
      const hook = hookOf();
      if (hook?.take !== mayTake) return;
      hook.take = null;
      hook.remove();
    });

  function hide(): void {
    const hook = hookOf() ?? putIn();
    if (hook) hook.take = mayTake;
  }

  /** An app that answers actions with a library of PM2's knows such messages, and may have an action of that name. */
  function mayTake(message: unknown): boolean {
    return !appTakesActions() && take(message);
  }
}

/** If hiding fails in a process that the app has changed, the app's listeners see PM2's triggers, and nothing worse. */
function guarded(act: () => void): void {
  try {
    act();
  } catch {}
}

function hookOf(): Hook | undefined {
  return (process as { [HOOK]?: Hook })[HOOK];
}

function putIn(): Hook | undefined {
  const before = getOwnPropertyDescriptor(process, 'emit');
  if (before && (!before.configurable || typeof before.value !== 'function')) return undefined;
  const emit: Emit = function emit(...args) {
    try {
      if (args[0] === 'message' && hook.take?.(args[1])) return true;
    } catch {}
    // Looked up at each call, because the prototype's `emit` may be replaced later.
    return apply((before?.value ?? (getPrototypeOf(process) as { emit: Emit }).emit) as Emit, this, args);
  };
  const hook: Hook = {
    take: null,
    remove() {
      if (getOwnPropertyDescriptor(process, 'emit')?.value !== emit) return;
      deleteProperty(process, HOOK);
      if (before) defineProperty(process, 'emit', before);
      else deleteProperty(process, 'emit');
    },
  };
  const hidden = { configurable: true, writable: true, enumerable: false };
  if (!defineProperty(process, HOOK, { ...hidden, value: hook })) return undefined;
  defineProperty(process, 'emit', { ...hidden, ...before, value: emit });
  return hook;
}
