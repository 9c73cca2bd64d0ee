// Signalled processes that have not opened their inspector in time, or were not seen to close it. The module watches each until
// nothing is left to close, and loads its script when it answers.

import { idleness } from '../../shared/linux/idleness.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { connectionsTo, type Listener, type OwnListener } from '../../shared/linux/sockets.ts';
import { CloseWatch } from './closing.ts';
import type { Context, Load } from './context.ts';
import { type PendingClose, pendingOfWorkers } from './journal.ts';
import { acquireLock } from './lock.ts';
import type { Attached, NotAttached } from './outcome.ts';

/** How often the module looks at late processes. */
const WATCH_MS = 25;
const RETRY_MS = 500;
const LOCK_MS = 5000;
const CLOSE_MS = 1000;

/** A watched process, and what to load when it answers. */
export interface LateProcess {
  readonly watch: CloseWatch;
  load: Load | null;
  /** Does the module load, close or sample something in it right now? Then the watch pauses. */
  busy: boolean;
  /** When to look at it again, on the clock of performance.now(). */
  nextMs: number;
  /** Settles when the module watches it no longer. */
  readonly ended: Promise<void>;
  end(): void;
}

export interface LateProcesses {
  get(pid: number): LateProcess | undefined;
  pids(): number[];
  /** Watches a signalled process until nothing is left to close. */
  follow(pending: PendingClose, load: Load | null): LateProcess;
  /** Ends the watch of a process, and reports the outcome of its load. */
  end(late: LateProcess, outcome: Attached | NotAttached | null): Promise<void>;
  /** To be called when an inspector was seen closed. The process may have passed the signal on to workers: watches those. */
  settle(pending: PendingClose): Promise<void>;
  /** Takes a process out of the journal and of the guard's list. */
  strikeOut(pending: PendingClose): Promise<void>;
  /** Resolves when all processes that are watched now are watched no longer. */
  settled(): Promise<unknown>;
  stop(): void;
}

/** The context of an attempt, with the late processes. */
export interface Engine extends Context {
  late: LateProcesses;
}

export interface LateProcessesOptions {
  /** Loads through an inspector that has opened late, and sees it closed. */
  load(pending: PendingClose, socket: OwnListener, load: Load): Promise<Attached | NotAttached>;
  /** Gets the outcome of a load. */
  onLate(pid: number, outcome: Attached | NotAttached): void;
}

/** Creates the watch over the late processes of one attacher. */
export function createLateProcesses(context: Context, options: LateProcessesOptions): LateProcesses {
  const { journal, guardian, stopping, log, inTurn } = context;
  const byPid = new Map<number, LateProcess>();
  let timer: NodeJS.Timeout | null = null;
  const late: LateProcesses = {
    get: (pid) => byPid.get(pid),
    pids: () => [...byPid.keys()],
    follow(pending, load) {
      let end = () => {};
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      const followed: LateProcess = { watch: new CloseWatch(pending), load, busy: false, nextMs: 0, ended, end };
      byPid.set(pending.pid, followed);
      if (!stopping.aborted) timer ??= setInterval(lookAtAll, WATCH_MS).unref();
      return followed;
    },
    async end(followed, outcome) {
      const { pending } = followed.watch;
      // If its inspector could not be closed, a new watch has begun, which must go on.
      if (byPid.get(pending.pid) === followed) {
        byPid.delete(pending.pid);
        await late.settle(pending);
      }
      followed.end();
      if (outcome && followed.load) options.onLate(pending.pid, outcome);
    },
    async settle(pending) {
      for (const worker of pendingOfWorkers(pending.pid)) {
        if (journal.has(worker)) continue;
        try {
          journal.add(worker);
          await guardian.watch(worker);
        } catch (error) {
          log(`attach: only this module, and not the guard, watches worker ${worker.pid}: ${(error as Error).message}`);
        }
        late.follow(worker, null);
      }
      await late.strikeOut(pending);
    },
    async strikeOut(pending) {
      try {
        journal.remove(pending);
      } catch (error) {
        log(`attach: cannot write the journal: ${(error as Error).message}`);
      }
      await guardian.unwatch(pending.pid);
    },
    settled: () => Promise.all([...byPid.values()].map(({ ended }) => ended)),
    stop,
  };

  function stop(): void {
    if (timer) clearInterval(timer);
    timer = null;
  }

  function lookAtAll(): void {
    for (const followed of byPid.values()) {
      if (followed.busy || performance.now() < followed.nextMs) continue;
      const socket = followed.watch.find();
      if (followed.watch.isOver()) {
        followed.busy = true;
        void late.end(followed, null);
      } else if (socket && mayAnswer(followed.watch.pending, socket)) {
        followed.busy = true;
        inTurn(() => serve(followed))
          .catch((error: unknown) => {
            if (!stopping.aborted) log(`attach: ${String(error)}`);
          })
          .finally(() => {
            followed.busy = false;
            followed.nextMs = performance.now() + RETRY_MS;
          });
      }
    }
    if (byPid.size === 0) stop();
  }

  /** Closes an inspector that has opened at last, and loads the script through it first. */
  async function serve(followed: LateProcess): Promise<void> {
    const lock = await acquireLock(LOCK_MS, stopping);
    try {
      const { watch, load } = followed;
      const socket = lock && watch.find();
      if (!socket) return;
      if (load) await late.end(followed, await options.load(watch.pending, socket, load));
      else if (await watch.close(CLOSE_MS)) await late.end(followed, null);
    } finally {
      await lock?.release();
    }
  }

  return late;
}

/** Is an attempt worth a turn? A process that is blocked in the kernel does not answer, and a person's debugger goes first. */
function mayAnswer({ pid }: PendingClose, { port }: Listener): boolean {
  if (connectionsTo(pid, port) > 0) return false;
  return idleness(pid).idle || readStat(pid)?.state === 'R';
}
