// Node's EventEmitter for an emitter whose methods an app may have replaced (zone.js makes a task of each listener): does
// what lib/events.js does, on the emitter's own list.

type Listener = ((...args: never[]) => unknown) & { listener?: Listener };
type Lists = Record<string | symbol, Listener | Listener[] | undefined>;

interface Emitter {
  _events: Lists;
  _eventsCount: number;
}

/** Adds a listener to an emitter of the app by its own list: cheap, and nothing of the app hears of it. */
export function listenUnseen(target: NodeJS.EventEmitter, event: string, listener: (this: never) => void): void {
  const emitter = target as unknown as Emitter;
  const lists = emitter._events as Lists | undefined;
  if (typeof lists !== 'object') {
    target.on(event, listener);
    return;
  }
  const before = lists[event];
  if (before === undefined) emitter._eventsCount++;
  lists[event] =
    before === undefined ? listener : typeof before === 'function' ? [before, listener] : [...before, listener];
}

/**
 * The methods that read or change the list, for one emitter; each returns what Node's does.
 * @param itself returns what a method returns for which Node's own returns the emitter
 */
export function methodsOf(target: NodeJS.EventEmitter, itself: () => unknown): Record<string | symbol, unknown> {
  const emitter = target as unknown as Emitter;

  const add = (event: string | symbol, listener: Listener, first = false): unknown => {
    tell('newListener', event, listener);
    const before = listOf(event);
    if (before.length === 0) emitter._eventsCount++;
    put(event, first ? [listener, ...before] : [...before, listener]);
    return itself();
  };
  const remove = (event: string | symbol, listener: Listener): unknown => {
    const before = listOf(event);
    const at = before.findLastIndex((each) => each === listener || each.listener === listener);
    if (at < 0) return itself();
    if (before.length === 1) emitter._eventsCount--;
    put(event, before.toSpliced(at, 1));
    tell('removeListener', event, listener);
    return itself();
  };
  const once = (event: string | symbol, listener: Listener): unknown => {
    const wrapper: Listener = (...args) => {
      remove(event, wrapper);
      return Reflect.apply(listener, target, args) as unknown;
    };
    wrapper.listener = listener;
    return add(event, wrapper);
  };
  const listeners = (event: string | symbol): Listener[] => listOf(event).map((each) => each.listener ?? each);
  const prepend = (event: string | symbol, listener: Listener) => add(event, listener, true);
  const append = (event: string | symbol, listener: Listener) => add(event, listener);
  return {
    // Inherits nothing, such as `toString`.
    __proto__: null,
    addListener: append,
    on: append,
    once,
    prependListener: prepend,
    removeListener: remove,
    off: remove,
    listeners,
    listenerCount: (event: string | symbol) => listOf(event).length,
  };

  /** A copy of the list, in this realm. */
  function listOf(event: string | symbol): Listener[] {
    const list = emitter._events[event];
    return list === undefined ? [] : typeof list === 'function' ? [list] : [...list];
  }

  /** Puts a new list in place, because Node may iterate over the old one at this moment. */
  function put(event: string | symbol, list: Listener[]): void {
    const [only, second] = list;
    if (only === undefined) delete emitter._events[event];
    else emitter._events[event] = second === undefined ? only : list;
  }

  /** Tells Node's own listeners, which start to watch a signal, or keep the channel to the parent open. */
  function tell(about: 'newListener' | 'removeListener', event: string | symbol, listener: Listener): void {
    for (const each of listOf(about)) Reflect.apply(each, target, [event, listener.listener ?? listener] as never);
  }
}
