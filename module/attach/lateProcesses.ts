// Processes that were signalled and have not opened their inspector in time, or could not be seen to have closed it. They are
// watched until there is nothing to close any more; the script that they were to get is loaded when they answer.

import { idleness } from '../../shared/linux/idleness.ts';
import { readStat } from '../../shared/linux/proc.ts';
import { connectionsTo, type Listener, type OwnListener } from '../../shared/linux/sockets.ts';
import { CloseWatch } from './closing.ts';
import type { Context, Load } from './context.ts';
import { type PendingClose, pendingOfWorkers } from './journal.ts';
import { acquireLock } from './lock.ts';
import type { Attached, NotAttached } from './outcome.ts';

/** How often late processes are looked at. */
const WATCH_MS = 25;
const RETRY_MS = 500;
const LOCK_MS = 5000;
const CLOSE_MS = 1000;

/** A process that is watched, and what to load when it answers. */
export interface LateProcess {
  readonly watch: CloseWatch;
  load: Load | null;
  /** Something is being done with it right now. */
  busy: boolean;
  /** When to look after it again, on the clock of performance.now(). */
  nextMs: number;
  /** Settled when it is not watched any more. */
  readonly ended: Promise<void>;
  end(): void;
}

export interface LateProcesses {
  get(pid: number): LateProcess | undefined;
  pids(): number[];
  /** Watches a signalled process until there is nothing to close any more. */
  follow(pending: PendingClose, load: Load | null): LateProcess;
  /** A process is watched no longer. */
  end(late: LateProcess, outcome: Attached | NotAttached | null): Promise<void>;
  /** The inspector of a signalled process was seen closed. Workers that it has forked meanwhile may have been signalled by it. */
  settle(pending: PendingClose): Promise<void>;
  /** Neither the journal nor the guard has a process any more. */
  strikeOut(pending: PendingClose): Promise<void>;
  /** Resolves when those that are watched now are no longer. */
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
  /** Hears what became of a load. */
  onLate(pid: number, outcome: Attached | NotAttached): void;
}

/** The late processes of one attacher. */
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
      // It may be followed anew, when its inspector could not be closed.
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
          log(`attach: nobody but this module watches over worker ${worker.pid}: ${(error as Error).message}`);
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

  /** Its inspector has opened at last. */
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

/** Whether it is worth a turn: blocked in the kernel it would not answer, and a person's debugger is waited out. */
function mayAnswer({ pid }: PendingClose, { port }: Listener): boolean {
  if (connectionsTo(pid, port) > 0) return false;
  return idleness(pid).idle || readStat(pid)?.state === 'R';
}
