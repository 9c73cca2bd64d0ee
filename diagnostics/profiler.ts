// V8's profilers in this very process: no port is opened, and they are stopped whatever happens. Our session does not
// touch that of a person at the inspector.
import { Session } from 'node:inspector';
import { Refusal } from '../contract/errors.ts';
import type { ActionProgress } from '../contract/progress.ts';
import { guarded } from '../shared/guard.ts';

/** Each kind runs once at a time: V8 has one sampling heap profiler for all, and two CPU profiles cost double. */
type Kind = 'cpu' | 'heap';

/** The action that runs each kind now. */
const holders = new Map<Kind, string>();

/** What a diagnosis that takes its time needs of its caller. */
export interface Run {
  /** Tells how far it is. */
  progress(progress: ActionProgress): void;
  /**
   * Calls `stop` when the diagnosis has to end early.
   * @returns takes it back
   */
  onEnd(stop: (why: Error) => void): () => void;
}

export interface Profiler {
  /** Sends one command of V8's protocol. @throws what V8 answered, or that the action was ended */
  post<T = unknown>(method: string, params?: object): Promise<T>;
  /** Waits without keeping the app alive. @throws when the action is ended */
  pause(ms: number): Promise<void>;
}

/**
 * Runs `work` with a profiler, which is stopped and given back however the work ends: done, failed, or ended from outside.
 * @throws {Refusal} E_BUSY when one of this kind runs already, ours or that of a person at the inspector
 */
export async function withProfiler<T>(
  kind: Kind,
  action: string,
  { onEnd }: Pick<Run, 'onEnd'>,
  work: (profiler: Profiler) => Promise<T>,
): Promise<T> {
  const holder = holders.get(kind);
  if (holder !== undefined) {
    throw new Refusal('E_BUSY', `${holder} is already running in this instance`, 'wait for its reply, then ask again');
  }
  holders.set(kind, action);
  const session = new Session();
  let giveUp: (why: Error) => void = () => {};
  const ended = new Promise<never>((_resolve, reject) => {
    giveUp = reject;
  });
  ended.catch(() => {});
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    for (const timer of timers) clearTimeout(timer);
    holders.delete(kind);
    process.removeListener('exit', stop);
    // Stops every profiler of this session (V8's agents are disabled with it).
    guarded(() => session.disconnect())();
  };
  // A process that exits while V8's profiler takes samples may end with a segmentation fault instead (seen on Node 24).
  process.once('exit', stop);
  const forget = onEnd((why) => {
    giveUp(why);
    stop();
  });
  try {
    session.connect();
    const profiler: Profiler = {
      post: <R>(method: string, params: object = {}) =>
        Promise.race([
          new Promise<R>((resolve, reject) => {
            session.post(method, params, (error, result) => {
              // A plain object with V8's words, not an Error.
              if (error) reject(new Error(`${method}: ${error.message}`));
              else resolve(result as R);
            });
          }),
          ended,
        ]),
      pause: (ms) =>
        Promise.race([
          new Promise<void>((resolve) => {
            const timer = setTimeout(() => {
              timers.delete(timer);
              resolve();
            }, ms);
            timer.unref();
            timers.add(timer);
          }),
          ended,
        ]),
    };
    if (kind === 'heap') await refuseForeign(profiler);
    return await work(profiler);
  } finally {
    forget();
    stop();
  }
}

/** A sampling of the heap that somebody at the inspector runs would be stopped with ours. */
async function refuseForeign(profiler: Profiler): Promise<void> {
  try {
    await profiler.post('HeapProfiler.getSamplingProfile');
  } catch (error) {
    if (/was not started/.test((error as Error).message)) return;
    throw error;
  }
  throw new Refusal(
    'E_BUSY',
    'a debugger samples the heap of this instance already, and V8 has only one such profiler',
    'stop it there (DevTools, Memory, Stop), then ask again',
  );
}
