// Takes this instance out of service while a dump stops its event loop for seconds, so that its siblings serve its clients, and puts
// it back even if the dump fails. It never cuts a request.

import type { HeapdumpFields } from '../../contract/actions/heapdump.ts';
import { Refusal } from '../../contract/errors.ts';
import type { DrainEngine, DrainOptions, DrainResult } from '../../drain/index.ts';
import type { Context } from '../context.ts';
import type { Granted } from '../moduleClient.ts';
import { whyNoServer } from './server.ts';

/** How often the action reports what the drain still waits for. */
const TELL_EVERY_MS = 1_000;

/** The part of the reply that tells what clients noticed. */
type Standing = Omit<HeapdumpFields, 'file' | 'bytes' | 'heapUsed'>;

/**
 * Does work that stops the event loop. If siblings serve meanwhile, this instance is drained first.
 * @param granted whether siblings do, and the addresses at which none listens
 * @param timeoutMs how long the drain may take; connections that are still busy then stay open and wait
 * @param work calls `serveAgain` as soon as it no longer stops the event loop; `unseen`: no client waits meanwhile
 * @throws {Refusal} E_STATE when something else has undone the drain meanwhile
 */
export async function outOfService<T extends object>(
  { drain: mayDrain, alone }: Pick<Granted, 'drain' | 'alone'>,
  timeoutMs: number,
  context: Context,
  work: (serveAgain: () => Promise<void>, unseen: boolean) => Promise<T>,
): Promise<T & Standing> {
  const { engine, progress } = context;
  refuseIfLeaving(context);
  const before = engine.state();
  const inPlace = 'written in place: this instance answered nothing while V8 took the snapshot';
  if (before === 'drained' || before === 'draining') {
    if (before === 'draining') await engine.drain({ budgetMs: timeoutMs, unfinished: 'leave' });
    refuseIfLeaving(context);
    return { ...(await work(async () => {}, true)), drained: true, reason: 'it was drained before, and stays so' };
  }
  if (before === 'no-server') {
    return { ...(await work(async () => {}, false)), drained: false, reason: `${whyNoServer()}; ${inPlace}` };
  }
  if (!mayDrain.may) {
    return { ...(await work(async () => {}, false)), drained: false, reason: `${mayDrain.reason}; ${inPlace}` };
  }

  let trouble: string | undefined;
  let back = false;
  const serveAgain = async () => {
    if (back || context.isLeaving()) return;
    back = true;
    progress({ phase: 'resuming' });
    try {
      await engine.resume();
    } catch (error) {
      trouble = `${(error as Error).message}; send resume, or restart it`;
    }
  };
  try {
    const drain = await drainPatiently(engine, { budgetMs: timeoutMs, unfinished: 'leave', except: alone }, progress);
    if (engine.state() !== 'drained') {
      back = true;
      throw new Refusal(
        'E_STATE',
        `the drain for the dump was undone while it ran; this instance is ${engine.state()}`,
        'ask again: heapdump',
      );
    }
    refuseIfLeaving(context);
    // PM2 may have passed on a connection before it knew of the drain. Gives it back now, else its client would wait for seconds.
    await context.moduleClient.echo();
    refuseIfLeaving(context);
    const done = await work(serveAgain, (drain.left ?? 0) === 0 && alone.length === 0);
    await serveAgain();
    return {
      ...done,
      ...standing(drain, alone),
      ...(trouble === undefined ? {} : { note: `it does not serve: ${trouble}` }),
    };
  } finally {
    await serveAgain();
  }
}

/** Refuses to dump in a process that exits: V8 would hold it until SIGKILL comes. */
function refuseIfLeaving({ isLeaving }: Context): void {
  if (isLeaving())
    throw new Refusal('E_STATE', 'this instance was told to leave before the dump began', 'ask another: heapdump');
}

async function drainPatiently(
  engine: DrainEngine,
  options: DrainOptions,
  progress: Context['progress'],
): Promise<DrainResult> {
  const tell = () => {
    const { connections, inFlight } = engine.totals();
    progress({ phase: 'draining', detail: `${connections} connections, ${inFlight} requests in flight` });
  };
  tell();
  const telling = setInterval(tell, TELL_EVERY_MS);
  telling.unref();
  try {
    return await engine.drain(options);
  } finally {
    clearInterval(telling);
  }
}

function standing({ finished, closed, left = 0, leftRequests = [] }: DrainResult, alone: readonly string[]): Standing {
  const waited = `no other instance listens on ${alone.join(', ')}: its clients there waited while V8 took the snapshot`;
  if (left === 0) return { drained: true, finished, closed, ...(alone.length > 0 ? { reason: waited } : {}) };
  const named = leftRequests.map(({ method, path }) => `${method} ${path}`).join(', ');
  const which = named === '' ? '' : ` (${named})`;
  return {
    drained: false,
    reason: `${left} connections were not done within timeout${which}: nothing was cut, they waited while V8 took the snapshot`,
    finished,
    closed,
  };
}
