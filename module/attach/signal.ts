// Signals a process once the close of the inspector that it opens is safe: the journal and the guard know it, and it is still the
// process that was checked.

import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { type Listener, ownSockets } from '../../shared/linux/sockets.ts';
import type { Load } from './context.ts';
import { fitOrFail } from './idle.ts';
import { type PendingClose, same } from './journal.ts';
import type { Engine } from './lateProcesses.ts';
import { AttemptFailed, closing, RETRY_RARELY_MS, RETRY_SOON_MS } from './outcome.ts';
import { failIfPortTaken } from './ports.ts';
import type { Fit } from './qualify.ts';

export interface SignalOptions {
  /** The sockets that listen in the process's network namespace. */
  listening: readonly Listener[];
  /** Its event loop's epoll descriptor, if known. */
  loopFd: number | null;
  guardReady: Promise<void>;
  isWanted?: Load['isWanted'];
}

/** Signals a process. From then on its inspector has to be closed. */
export async function sendSignal(engine: Engine, candidate: Fit, options: SignalOptions): Promise<PendingClose> {
  const { journal, guardian, late, step, stopping } = engine;
  const { listening, loopFd, guardReady, isWanted } = options;
  const { pid, startTime } = candidate;
  if (candidate.blind && journal.wasSignalledOnce(candidate)) {
    throw new AttemptFailed(
      'signalled-before',
      'pm2-ops cannot read its signal handlers, so it may signal the process only once, and has done so: restart it to attach again',
      null,
    );
  }
  failIfUnwanted(isWanted);
  failIfPrimary(pid);
  await failIfPortTaken(pid, listening, late.pids());
  try {
    await guardReady;
  } catch (error) {
    throw new AttemptFailed('no-guard', `no signal without the guard: ${(error as Error).message}`, RETRY_RARELY_MS);
  }
  const inodes = listening.map(({ inode }) => inode);
  const own = ownSockets(pid, new Set(inodes));
  const pending: PendingClose = { pid, startTime, inodes: own ? [...own.keys()] : inodes, loopFd };
  orNoJournal(() => journal.add(pending));
  await step('journaled', pid);
  let signalled = false;
  try {
    await guardian.watch(pending);
    await step('guarded', pid);
    if (stopping.aborted) throw closing();
    // No await from here to the signal, so that the process cannot change in between.
    const fit = fitOrFail(pid);
    if (!same(fit, candidate)) {
      throw new AttemptFailed('gone', `process ${pid} was replaced by another`, RETRY_SOON_MS);
    }
    failIfUnwanted(isWanted);
    if (fit.blind) orNoJournal(() => journal.rememberSignal(fit));
    failIfPrimary(pid);
    signal(pid);
    signalled = true;
  } finally {
    if (!signalled) await late.strikeOut(pending);
  }
  await step('signalled', pid);
  return pending;
}

function failIfUnwanted(isWanted: Load['isWanted']): void {
  if (isWanted?.() === false) throw new AttemptFailed('unwanted', 'it has an agent by other means', null);
}

/** A primary would pass the signal on to its workers (lib/internal/cluster/primary.js, NODE_DEBUG_ENABLED), and processes that
 * PM2 does not manage would open inspectors. */
function failIfPrimary(pid: number): void {
  const workers = clusterWorkersOf(pid).map((worker) => worker.pid);
  if (workers.length === 0) return;
  const them = workers.length === 1 ? `process ${workers[0]}` : `processes ${workers.join(', ')}`;
  throw new AttemptFailed(
    'own-cluster',
    `the app forks workers of its own (${them}), and Node's cluster hands the signal of a live attach on to them`,
    null,
  );
}

function orNoJournal(write: () => void): void {
  try {
    write();
  } catch (error) {
    const reason = `no signal without the journal: ${(error as Error).message}`;
    throw new AttemptFailed('no-journal', reason, RETRY_RARELY_MS);
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGUSR1');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') throw new AttemptFailed('gone', `process ${pid} is gone`, null);
    throw new AttemptFailed('no-permission', `cannot signal the process: ${message}`, null);
  }
}
