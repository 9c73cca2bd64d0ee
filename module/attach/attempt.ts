// One attempt to attach, in order: wait for an idle moment, take the lock, signal, wait for the inspector, load through it,
// disconnect, and see it closed.

import { idleness } from '../../shared/linux/idleness.ts';
import { isAlive } from '../../shared/linux/proc.ts';
import { connectionsTo, listeners, type OwnListener } from '../../shared/linux/sockets.ts';
import type { Load } from './context.ts';
import { fitOrFail, type IdleGate } from './idle.ts';
import type { Proof } from './in-target.ts';
import type { InspectorSession } from './inspector.ts';
import { type PendingClose, same } from './journal.ts';
import type { Engine } from './lateProcesses.ts';
import { loadBetweenEvents } from './load.ts';
import { acquireLock, holderOfLock } from './lock.ts';
import { openInspectorOf } from './openInspector.ts';
import {
  type Attached,
  AttemptFailed,
  asNotAttached,
  blocked,
  closing,
  type NotAttached,
  notAttached,
  RETRY_LATER_MS,
  RETRY_RARELY_MS,
} from './outcome.ts';
import { awaitOpen } from './ports.ts';
import type { Fit } from './qualify.ts';
import { sendSignal } from './signal.ts';
import { throughForeign, throughOwn } from './visit.ts';

const LOCK_MS = 5000;

/** Attaches to a process whose turn has come. */
export async function attachInTurn(
  engine: Engine,
  candidate: Fit,
  load: Load,
  idleGate: IdleGate,
): Promise<Attached | NotAttached> {
  const beganMs = performance.now();
  const late = engine.late.get(candidate.pid);
  if (late && same(late.watch.pending, candidate)) {
    // The process has not answered the first signal yet, so it gets no second one.
    late.load = load;
    return blocked();
  }
  // During the wait, another process may have taken the pid, or the app may have installed its own handler.
  const fit = fitOrFail(candidate.pid);
  const guardReady = engine.startGuard();
  await idleGate.pass(fit);
  const lock = await acquireLock(LOCK_MS, engine.stopping);
  if (!lock) throw engine.stopping.aborted ? closing() : lockHeld(RETRY_LATER_MS);
  try {
    await engine.step('locked', fit.pid);
    return await attachLocked(engine, fit, load, guardReady, beganMs);
  } finally {
    await lock.release();
  }
}

async function attachLocked(
  engine: Engine,
  candidate: Fit,
  load: Load,
  guardReady: Promise<void>,
  beganMs: number,
): Promise<Attached | NotAttached> {
  const { pid } = candidate;
  const { loopFd, certain } = idleness(pid);
  const listening = listeners(pid);
  const open = await openInspectorOf(pid, { loopFd, certain }, listening);
  if (open) return loadThroughForeign(engine, pid, open, load, beganMs);
  const pending = await sendSignal(engine, candidate, { listening, loopFd, guardReady, isWanted: load.isWanted });
  const socket = await awaitOpen(pending, engine.stopping);
  if (!socket) return notOpened(engine, pending, load);
  await engine.step('opened', pid);
  return loadThroughOwn(engine, pending, socket, load, beganMs);
}

/** Loads into a process whose inspector has opened only after the attempt. */
export function loadLate(
  engine: Engine,
  pending: PendingClose,
  socket: OwnListener,
  load: Load,
): Promise<Attached | NotAttached> {
  return loadThroughOwn(engine, pending, socket, load, performance.now());
}

/** The outcome for a signalled process that has not opened its inspector in time. If it still runs, it is watched from now on. */
export async function notOpened(engine: Engine, pending: PendingClose, load: Load | null): Promise<NotAttached> {
  if (!isAlive(pending)) {
    await engine.late.settle(pending);
    return notAttached('gone', `process ${pending.pid} ended while it was being attached`, null);
  }
  engine.late.follow(pending, load);
  return blocked();
}

/** The outcome while another process of this user attaches. */
export function lockHeld(retryAfterMs: number): AttemptFailed {
  const holder = holderOfLock() ?? 'another process of this user';
  return new AttemptFailed(
    'lock-held',
    `one attach at a time on a host, and ${holder} is at it: ask again`,
    retryAfterMs,
  );
}

/** Loads through the inspector that the signal has opened, and closes it. */
async function loadThroughOwn(
  engine: Engine,
  pending: PendingClose,
  socket: OwnListener,
  load: Load,
  beganMs: number,
): Promise<Attached | NotAttached> {
  const { pid } = pending;
  const { value: loaded, failure } = await throughOwn(engine, pending, socket, load, async (session, proof) => {
    const value = await loadBetweenEvents(session, pid, load, { proof, closing: socket });
    await engine.step('loaded', pid);
    return { value, leaving: 'armed' };
  });
  if (loaded) return { ok: true, ...loaded, ms: performance.now() - beganMs, port: socket.port };
  if (!isAlive(pending)) return notAttached('gone', `process ${pid} ended while it was being attached`, null);
  return asNotAttached(failure);
}

/** Loads through an inspector that was open already, and leaves it open. */
function loadThroughForeign(
  engine: Engine,
  pid: number,
  socket: OwnListener,
  load: Load,
  beganMs: number,
): Promise<Attached> {
  const use = async (session: InspectorSession, proof: Proof): Promise<Attached> => {
    const loaded = await loadBetweenEvents(session, pid, load, { proof, closing: null });
    await engine.step('loaded', pid);
    return { ok: true, ...loaded, ms: performance.now() - beganMs, port: socket.port };
  };
  return throughForeign(engine, pid, socket, use, (error) => {
    const isSilent = error instanceof AttemptFailed && ['busy', 'blocked'].includes(error.outcome.code);
    const isShared = connectionsTo(pid, socket.port) > 1;
    return isSilent && isShared ? new AttemptFailed('paused', 'looks paused in a debugger', RETRY_RARELY_MS) : error;
  });
}
