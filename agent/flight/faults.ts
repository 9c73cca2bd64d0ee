// Counts what nothing caught, exceptions and rejections, and remembers the newest of each. Both without a listener that would change
// what Node does with them.
import { ours } from '../listeners.ts';
import { described, type Thrown } from './thrown.ts';

export interface ExceptionSeen extends Thrown {
  origin: string;
  /** Milliseconds of Date.now(). */
  at: number;
}

export interface Faults {
  readonly exceptions: number;
  readonly rejections: number;
  /** The newest exception; `fatal` while nothing has run since it was thrown. */
  exception(): (ExceptionSeen & { fatal: boolean }) | undefined;
  rejection(): Thrown | undefined;
  stop(): void;
}

/** A text of a stack costs tens of microseconds, and an app may handle thousands of faults a second itself. */
const DESCRIBED_EVERY_MS = 1_000;

/**
 * @param onException called when nothing has caught an exception, before anything else runs; with `false` when the process goes on
 *   after it. At most once a second.
 */
export function watchFaults(onException: (isNew: boolean) => void): Faults {
  let exceptions = 0;
  let rejections = 0;
  let lastException: ExceptionSeen | undefined;
  let lastRejection: Thrown | undefined;
  let describedMs = { exception: Number.NEGATIVE_INFINITY, rejection: Number.NEGATIVE_INFINITY };
  /** The exception of this turn of the event loop. */
  let current: { error: unknown; origin: string; at: number } | undefined;

  // This event changes nothing, whoever listens.
  const onMonitor = ours((error: unknown, origin: string) => {
    try {
      exceptions += 1;
      const isDue = performance.now() - describedMs.exception >= DESCRIBED_EVERY_MS;
      if (current === undefined) setImmediate(goesOn, isDue).unref();
      current = { error, origin, at: Date.now() };
      if (!isDue) return;
      describedMs = { ...describedMs, exception: performance.now() };
      onException(true);
    } catch {
      // It is about the app's exception, not about ours.
    }
  });

  const onRejection = ours((reason: unknown) => {
    try {
      rejections += 1;
      if (performance.now() - describedMs.rejection < DESCRIBED_EVERY_MS) return;
      describedMs = { ...describedMs, rejection: performance.now() };
      lastRejection = described(reason);
    } catch {
      // As above.
    }
  });

  // Without a listener to rejections Node throws them, and the monitor counts them. So ours is there only while another one is, such
  // as the one that PM2 puts into each app.
  const onAdded = ours((event: unknown, listener: unknown) => {
    if (event === 'unhandledRejection' && listener !== onRejection) joinRejections();
  });
  const onRemoved = ours((event: unknown, listener: unknown) => {
    if (event === 'unhandledRejection' && listener !== onRejection && !isHandledByOthers()) leaveRejections();
  });

  process.on('uncaughtExceptionMonitor', onMonitor);
  const emitter = process as NodeJS.EventEmitter;
  emitter.on('newListener', onAdded);
  emitter.on('removeListener', onRemoved);
  if (isHandledByOthers()) joinRejections();

  return {
    get exceptions() {
      return exceptions;
    },
    get rejections() {
      return rejections;
    },
    exception() {
      if (current === undefined) return lastException && { ...lastException, fatal: false };
      return { ...described(current.error), origin: current.origin, at: current.at, fatal: true };
    },
    rejection: () => lastRejection,
    stop() {
      process.removeListener('uncaughtExceptionMonitor', onMonitor);
      emitter.removeListener('newListener', onAdded);
      emitter.removeListener('removeListener', onRemoved);
      leaveRejections();
    },
  };

  /** The app has handled it, or Node was told to go on. */
  function goesOn(isDue: boolean): void {
    const { error, origin, at } = current ?? {};
    current = undefined;
    if (origin === undefined || at === undefined || !isDue) return;
    lastException = { ...described(error), origin, at };
    onException(false);
  }

  function rejectionListeners(): unknown[] {
    return process.listeners('unhandledRejection');
  }

  function isHandledByOthers(): boolean {
    return rejectionListeners().some((listener) => listener !== onRejection);
  }

  function joinRejections(): void {
    // First, because another listener may throw, and then those behind it are not called.
    if (!rejectionListeners().includes(onRejection)) process.prependListener('unhandledRejection', onRejection);
  }

  function leaveRejections(): void {
    process.removeListener('unhandledRejection', onRejection);
  }
}
