// Keeps `pm2 trigger`s that the agent answers from the app's own `message` listeners, to which PM2 sends them: an app that
// refuses what it does not know would end of one. An emitter cannot be stopped between two listeners, so they are taken
// before they are emitted; only in apps that listen to messages themselves, and nothing but these.
import cluster from 'node:cluster';
import { appHandlesMessages, appTakesActions, isAppsMessageListener, ours } from './listeners.ts';

type Emit = (this: unknown, ...args: unknown[]) => boolean;

/** One in a process, shared by all copies of the agent: whoever wrapped it meanwhile keeps it there, with nothing to take. */
interface Hook {
  /** @returns whether nobody else is to get it; null while there is no agent */
  take: ((message: unknown) => boolean) | null;
  /** Puts back what was there before, unless somebody has wrapped it. */
  remove(): void;
}

const HOOK = Symbol.for('pm2-ops.hook');
const { apply, defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf } = Reflect;

/**
 * Takes messages out before the app's listeners get them, from the moment when it has some.
 * @param take @returns whether it was for us
 * @returns undoes it
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

  /** One that answers actions through a library of PM2's may have one of that name, and knows such messages. */
  function mayTake(message: unknown): boolean {
    return !appTakesActions() && take(message);
  }
}

/** What the app has made of its process is the agent's to live with: then its listeners see what PM2 sends. */
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
    // Looked up at each call: the prototype's may be replaced later.
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
