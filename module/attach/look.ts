// Tells what a process executes right now. It looks from outside first, and asks V8 if that does not tell.

import { setTimeout as sleep } from 'node:timers/promises';
import type { StackView } from '../../contract/stackView.ts';
import { idleness } from '../../shared/linux/idleness.ts';
import { kernelView } from '../../shared/linux/kernelView.ts';
import { isAlive } from '../../shared/linux/proc.ts';
import { listeners, type OwnListener } from '../../shared/linux/sockets.ts';
import { lockHeld, notOpened } from './attempt.ts';
import type { Load } from './context.ts';
import { fitOrFail } from './idle.ts';
import { type PendingClose, same } from './journal.ts';
import type { Engine, LateProcess } from './lateProcesses.ts';
import { acquireLock } from './lock.ts';
import { openInspectorOf } from './openInspector.ts';
import { AttemptFailed, asNotAttached, blocked, failed, orBlocked, RETRY_SOON_MS } from './outcome.ts';
import { lookFromOutside } from './outlook.ts';
import { awaitOpen } from './ports.ts';
import type { Fit } from './qualify.ts';
import { isOneCallback, type Sampling, sample } from './sampling.ts';
import { sendSignal } from './signal.ts';
import { asWritten } from './sourceLines.ts';
import { viewOfOutlook, viewOfSampling } from './stackSummary.ts';
import { throughForeign, throughOwn } from './visit.ts';

/** A look answers within this time, including the wait for its turn and for the lock. */
export const LOOK_WITHIN_MS = 9000;
const TURN_MS = 4000;
const LOCK_MS = 1000;

/** Tells what a process executes right now. Never throws. */
export async function lookAt(engine: Engine, pid: number): Promise<StackView> {
  const outlook = await lookFromOutside(pid);
  const fromOutside = (v8: 'silent' | 'needless' | 'closed', reason?: string) =>
    viewOfOutlook(outlook, kernelView(pid), v8, reason);
  try {
    const candidate = fitOrFail(pid);
    // A process that waits for events half of the time is not stuck, and one that is blocked in the kernel cannot answer: do not
    // open an inspector in either.
    if (outlook.idle >= outlook.looks / 2 || outlook.blockedIn !== null) return fromOutside('needless');
    let begun = false;
    let isLate = false;
    const turn = engine.inTurn(async () => {
      begun = true;
      return isLate ? null : lookInTurn(engine, candidate);
    });
    const deadline = async () => {
      await sleep(TURN_MS, undefined, { ref: false });
      if (begun) await sleep(LOOK_WITHIN_MS - TURN_MS - outlook.overMs, undefined, { ref: false });
      isLate = true;
      return null;
    };
    const sampling = await Promise.race([turn, deadline()]);
    if (sampling) return viewOfSampling(await asWritten(sampling, pid), kernelView(pid));
    return begun
      ? fromOutside('silent')
      : fromOutside('closed', 'pm2-ops attaches to other processes right now: ask again');
  } catch (error) {
    const { code, reason } = asNotAttached(error);
    return code === 'blocked' ? fromOutside('silent') : fromOutside('closed', reason);
  }
}

async function lookInTurn(engine: Engine, candidate: Fit): Promise<Sampling> {
  const guardReady = engine.startGuard();
  const lock = await acquireLock(LOCK_MS, engine.stopping);
  if (!lock) throw lockHeld(RETRY_SOON_MS);
  const { pid } = candidate;
  const known = engine.late.get(pid);
  const late = known && same(known.watch.pending, candidate) ? known : null;
  // The watch of a late process pauses during the look.
  if (late) late.busy = true;
  try {
    await engine.step('locked', pid);
    return late
      ? await lookIntoLate(engine, candidate, late, guardReady)
      : await lookLocked(engine, candidate, guardReady);
  } finally {
    if (late) {
      late.busy = false;
      // The look has closed the inspector, so nothing is left to watch.
      if (engine.late.get(pid) === late && !engine.journal.has(candidate)) await engine.late.end(late, null);
    }
    await lock.release();
  }
}

async function lookLocked(engine: Engine, candidate: Fit, guardReady: Promise<void>): Promise<Sampling> {
  const { pid } = candidate;
  const { loopFd, certain } = idleness(pid);
  const listening = listeners(pid);
  const open = await openInspectorOf(pid, { loopFd, certain }, listening);
  if (open) {
    return throughForeign(engine, pid, open, (session, proof) => orBlocked(sample(session, pid, !proof.builtin)));
  }
  const pending = await sendSignal(engine, candidate, { listening, loopFd, guardReady });
  return lookWhenOpen(engine, pending, null);
}

/** Looks into a process that was signalled before: its inspector may be open by now, or another signal may open it again. */
async function lookIntoLate(
  engine: Engine,
  candidate: Fit,
  { watch, load }: LateProcess,
  guardReady: Promise<void>,
): Promise<Sampling> {
  const { pid, loopFd } = watch.pending;
  const socket = watch.find();
  if (socket) return lookInto(engine, watch.pending, socket, load);
  if (!watch.mayReopen) throw failed(blocked());
  const again = await sendSignal(engine, candidate, { listening: listeners(pid), loopFd, guardReady });
  return lookWhenOpen(engine, again, load);
}

async function lookWhenOpen(engine: Engine, pending: PendingClose, lateLoad: Load | null): Promise<Sampling> {
  const socket = await awaitOpen(pending, engine.stopping);
  if (!socket) throw failed(await notOpened(engine, pending, lateLoad));
  await engine.step('opened', pending.pid);
  return lookInto(engine, pending, socket, lateLoad);
}

async function lookInto(
  engine: Engine,
  pending: PendingClose,
  socket: OwnListener,
  lateLoad: Load | null,
): Promise<Sampling> {
  const { pid } = pending;
  const { value, failure } = await throughOwn(engine, pending, socket, lateLoad, async (session, proof) => {
    const value = await orBlocked(sample(session, pid, !proof.builtin));
    await engine.step('sampled', pid);
    return { value, leaving: isOneCallback(value) ? 'force' : 'arm' };
  });
  if (value) return value;
  if (!isAlive(pending)) throw new AttemptFailed('gone', `process ${pid} ended meanwhile`, null);
  throw failure;
}
