// A visit through an inspector: prove which process answers, do something, disconnect. The module closes an inspector that its
// signal has opened, and checks that it is closed. One that was open already stays open.

import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { isAlive } from '../../shared/linux/proc.ts';
import type { OwnListener } from '../../shared/linux/sockets.ts';
import { type CloseResult, closeInspector, endpointOf, prove } from './closing.ts';
import type { Load } from './context.ts';
import { armCloserExpression, closeNowExpression, type Proof, SPARE_WORKERS_EXPRESSION } from './in-target.ts';
import { connect, type Endpoint, type InspectorSession } from './inspector.ts';
import type { PendingClose } from './journal.ts';
import type { Engine } from './lateProcesses.ts';
import { AttemptFailed, asNotAttached, orBlocked, RETRY_LATER_MS } from './outcome.ts';

const ANSWER_MS = 1000;
const SHORT_ANSWER_MS = 250;
const CLOSE_MS = 1000;
const OLDEST_NODE = 20;

export interface Used<T> {
  value: T;
  /** How the inspector gets closed. `armed`: the app was told already to close it; `arm`: tell the app; `force`: its event loop does
   * not turn, so close it at once. */
  leaving: 'armed' | 'arm' | 'force';
}

/**
 * Does something through the inspector that a signal has opened, disconnects, closes it and checks that it is closed. Watches an
 * inspector that cannot be closed now.
 * @param lateLoad what to load when the app answers, if it does not answer now
 */
export async function throughOwn<T>(
  engine: Engine,
  pending: PendingClose,
  socket: OwnListener,
  lateLoad: Load | null,
  use: (session: InspectorSession, proof: Proof) => Promise<Used<T>>,
): Promise<{ value: T | null; failure: unknown }> {
  const { pid } = pending;
  let value: T | null = null;
  let failure: unknown = null;
  let armed = false;
  let forced = false;
  try {
    const session = await connect(endpointOf(socket), { timeoutMs: ANSWER_MS });
    try {
      await engine.step('connected', pid);
      const proof = await proveOrFail(session, pid);
      await spareWorkers(session, pid, proof);
      await engine.step('proven', pid);
      const used = await use(session, proof);
      value = used.value;
      armed = used.leaving === 'armed' || (used.leaving === 'arm' && (await armCloser(session, socket)));
      forced = used.leaving === 'force';
      if (forced) await session.evaluateAndLeave(closeNowExpression(socket), { commandLineApi: true });
    } catch (error) {
      failure = error;
      armed = mayBeTold(error) && (await armCloser(session, socket));
    } finally {
      await session.close();
    }
  } catch (error) {
    failure ??= error;
  }
  await engine.step('left', pid);
  const timeoutMs = engine.stopping.aborted ? CLOSE_MS / 2 : CLOSE_MS;
  let closed: CloseResult = await closeInspector(pending, socket, { armed: armed || forced, timeoutMs });
  if (forced && closed === 'closed' && isAlive(pending)) closed = 'may-reopen';
  if (closed === 'open' || closed === 'may-reopen') {
    // A process that does not answer now gets its script when it does.
    const isUnanswered = failure instanceof AttemptFailed && ['blocked', 'busy'].includes(failure.outcome.code);
    const { watch } = engine.late.follow(pending, isUnanswered || value !== null ? lateLoad : null);
    if (closed === 'may-reopen') watch.expectReopening();
  } else {
    await engine.late.settle(pending);
    await engine.step('closed', pid);
  }
  return { value, failure };
}

/**
 * Does something through an inspector that was open already, and leaves it open.
 * @param explain maps an error to one that says more; called while the session is still open
 */
export async function throughForeign<T>(
  engine: Engine,
  pid: number,
  socket: OwnListener,
  use: (session: InspectorSession, proof: Proof) => Promise<T>,
  explain: (error: unknown) => unknown = (error) => error,
): Promise<T> {
  const session = await connect(endpointOf(socket), { timeoutMs: ANSWER_MS });
  try {
    await engine.step('connected', pid);
    const proof = await proveOrFail(session, pid);
    await engine.step('proven', pid);
    return await use(session, proof);
  } catch (error) {
    throw explain(error);
  } finally {
    await session.close();
  }
}

async function proveOrFail(session: InspectorSession, pid: number): Promise<Proof> {
  const proof = await orBlocked(prove(session, pid, ANSWER_MS));
  if (!proof) throw new AttemptFailed('wrong-peer', 'another process answers on its inspector port', RETRY_LATER_MS);
  if (Number.parseInt(proof.version.slice(1), 10) < OLDEST_NODE) {
    throw new AttemptFailed('old-node', `runs Node ${proof.version}; ${OLDEST_NODE} is the oldest supported`, null);
  }
  return proof;
}

/** A primary may have forked workers between our last look and the signal. They are not online yet; this keeps the primary from
 * passing the signal on to them. */
async function spareWorkers(session: InspectorSession, pid: number, { builtin }: Proof): Promise<void> {
  if (clusterWorkersOf(pid).length === 0) return;
  const options = { timeoutMs: SHORT_ANSWER_MS, commandLineApi: !builtin };
  // If that fails, the inspectors that they open are closed later.
  await session.evaluate(SPARE_WORKERS_EXPRESSION, options).catch(() => {});
}

/** May the app be told to close its inspector? Not another process, and not an app that hangs and would not hear it. */
function mayBeTold(error: unknown): boolean {
  return !['wrong-peer', 'blocked'].includes(asNotAttached(error).code);
}

/** Tells the app to close its inspector when the session has ended, unless a load has told it already. */
async function armCloser(session: InspectorSession, closing: Endpoint): Promise<boolean> {
  try {
    await session.evaluate(armCloserExpression(closing), { timeoutMs: SHORT_ANSWER_MS, commandLineApi: true });
    return true;
  } catch {
    return false;
  }
}
