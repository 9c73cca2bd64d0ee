// Replaces one old instance under its id: drains it, has PM2 start it again, and waits until the new code is ready there.
import { setTimeout as sleep } from 'node:timers/promises';
import { Refusal } from '../../../contract/errors.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { HeardReply, Reply } from '../../../contract/reply.ts';
import { isRunning } from '../../../shared/linux/running.ts';
import { list, reaches } from '../../fleet/cover.ts';
import type { Instance } from '../../fleet/readiness.ts';
import type { Canary } from './canary.ts';
import { type ReloadContext, requireSuccessorsUp } from './context.ts';
import { ReloadFailure } from './reloadFailure.ts';
import { LOOK_EVERY_MS } from './timing.ts';

/** For how long the canary serves the clients of the first old instance before PM2 ends that one. */
const SERVES_FOR_MS = 1_000;

/** Settles when the new code is ready under that id. @throws {ReloadFailure} when the run has to end */
export async function replaceInstance(context: ReloadContext, canary: Canary, old: Instance): Promise<void> {
  const { parts, drains, lines, interruption } = context;
  const { pmId } = old;
  const wasOnline = parts.fleet.get(pmId)?.process.status === 'online';
  if (wasOnline) await haveCovered(context, canary, pmId);
  const drain = wasOnline ? await takeOut(context, canary, pmId) : undefined;
  if (drain?.ok) {
    drains.drained.add(pmId);
    await watchWithClients(context);
    await returnHandedOver(context, pmId);
  }
  interruption.checkpoint();
  const isTakenOut = drain === undefined || drain.ok || drain.code === 'E_NO_SERVER';
  if (!isTakenOut) {
    requireOthers(context, pmId, drain);
    lines.note(`id ${pmId} could not be drained (${drain.message}): left to PM2's own reload`);
    context.leftToPm2.add(pmId);
  }
  drains.drained.delete(pmId);
  const pid = await startAgain(context, canary, old, { wasOnline, by: isTakenOut ? 'restart' : 'reload' });
  context.replaced.push({ id: pmId, from: old.pid, to: pid, drained: drain?.ok === true });
  const requests = drain?.ok ? `, ${drain.finished} finished, ${drain.cut} cut` : '';
  lines.progress('replaced', `id ${pmId}: pid ${old.pid} → ${pid}${requests}`);
}

/** Has PM2 or a person started the instance again meanwhile? Then it runs the new code and only has to come up. */
export async function isNewAlready(context: ReloadContext, old: Instance): Promise<boolean> {
  const { parts, lines, interruption, readiness, addresses } = context;
  const now = parts.fleet.get(old.pmId)?.process;
  if (now && now.pid === old.pid) return false;
  if (!now) {
    lines.note(`id ${old.pmId} is gone: somebody deleted it`);
    return true;
  }
  if (old.pid !== 0 && isRunning(old.pid)) {
    interruption.overlapped(`instance ${old.pmId} was reloaded (pid ${old.pid} → ${now.pid})`);
    interruption.checkpoint();
  }
  lines.note(`id ${old.pmId} was started again meanwhile (pid ${old.pid} → ${now.pid}), so it runs the new code`);
  const instance = { pmId: old.pmId, pid: now.pid, restarts: now.restarts, startedMs: lines.startedMs };
  await readiness.untilReady(instance, {
    serves: addresses.serves(),
    at: addresses.requiredOf(old.pmId),
    endsMs: performance.now() + context.request.timeout,
  });
  return true;
}

/** Where neither the other instances nor the canary listen, a canary of the instance's own number has to take over. */
async function haveCovered(context: ReloadContext, canary: Canary, pmId: PmId): Promise<void> {
  const { parts, request, lines, addresses, readiness, successors } = context;
  const member = parts.fleet.get(pmId);
  const former = canary.current();
  if (!member || !former || canary.isCopyOf(pmId)) return;
  const alone = addresses.aloneAt(pmId);
  if (alone.length === 0) return;
  lines.progress('canary', `id ${pmId} alone listens on ${list(alone)}: one of its number is started beside it`);
  successors.splice(successors.indexOf(former), 1);
  await canary.remove();
  if (canary.current() !== undefined) throw canary.whyItStays(former.pmId);
  const next = await canary.start(member, 'same');
  const endsMs = next.startedMs + request.timeout;
  await readiness.untilReady(next, { serves: addresses.serves(), at: canary.requiredAddresses(), endsMs });
  successors.push(next);
}

/** Drains an instance that is to be replaced; the last one that serves only with `force`. */
async function takeOut({ drains, request }: ReloadContext, canary: Canary, pmId: PmId): Promise<HeardReply<'drain'>> {
  // Without a canary no other instance is about to serve.
  const drain = await drains.drain(pmId, { once: canary.current() === undefined });
  const isLast = !drain.ok && drain.code === 'E_LAST';
  return isLast && request.force ? drains.drain(pmId, { force: true }) : drain;
}

/**
 * The clients of a drained instance come back to the new code, some of them for the first time: for a moment the old one
 * can still be resumed.
 */
async function watchWithClients(context: ReloadContext): Promise<void> {
  const { parts, request, replaced, interruption } = context;
  const watchMs = replaced.length === 0 ? Math.min(SERVES_FOR_MS, request.settle) : 0;
  const endsMs = performance.now() + watchMs;
  do {
    await parts.refresh();
    requireSuccessorsUp(context);
    interruption.checkpoint();
    if (performance.now() < endsMs) await sleep(LOOK_EVERY_MS);
  } while (performance.now() < endsMs);
}

/**
 * A connection that PM2 handed over before it heard of the drain goes back when the drained instance reads of it; if the
 * instance ended first, that client would wait for ever. The answer to a question comes after such a connection.
 */
async function returnHandedOver({ parts }: ReloadContext, pmId: PmId): Promise<void> {
  const member = parts.fleet.get(pmId);
  if (member) await parts.askState(member);
}

/** Never the last that serves: PM2 gets an instance that could not be drained only while others take its connections. */
function requireOthers({ request, addresses, lines }: ReloadContext, pmId: PmId, drain: Reply): void {
  if (request.force) return;
  const alone = addresses.aloneAt(pmId);
  if (alone.length === 0 && (drain.ok || drain.code !== 'E_LAST')) return;
  const why = drain.ok || drain.code === 'E_LAST' ? '' : ` (it could not be drained: ${drain.message})`;
  throw new ReloadFailure(
    'E_LAST',
    `nobody else listens on ${list(alone.length > 0 ? alone : (addresses.of(pmId) ?? []))}: instance ${pmId} is left as it is${why}`,
    `look with: pm2-ops status; to go on all the same: ${lines.again('force')}`,
  );
}

/** @returns the pid of the successor, which is ready */
async function startAgain(
  context: ReloadContext,
  canary: Canary,
  old: Instance,
  { wasOnline, by }: { wasOnline: boolean; by: 'restart' | 'reload' },
): Promise<number> {
  const { parts, request, addresses, sockets, readiness, lastLines, successors } = context;
  const { pmId } = old;
  const startedMs = performance.now();
  lastLines.forget(pmId);
  let refusal: Error | undefined;
  const changes = { env: request.env, nodeArgs: sockets.nodeArgsOf(pmId) };
  parts.daemon[by](pmId, changes).catch((error: Error) => {
    refusal = error;
  });
  const formerPid = old.pid > 0 ? { formerPid: old.pid } : {};
  const successor = { pmId, pid: 0, ...formerPid, restarts: old.restarts + (wasOnline ? 1 : 0), startedMs };
  const expected = {
    serves: addresses.serves(),
    at: addresses.requiredOf(pmId),
    endsMs: startedMs + request.timeout,
  };
  try {
    const member = await readiness.untilReady(successor, expected);
    successors.push(successor);
    return member.process.pid;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const failure = ReloadFailure.of(error);
    if (refusal) failure.message += ` (PM2: ${refusal.message})`;
    await keepCanaryInstead(context, canary, pmId, failure);
    throw failure;
  }
}

/** The successor of one instance does not come up although the canary did: the canary stays in its place. */
async function keepCanaryInstead(
  context: ReloadContext,
  canary: Canary,
  pmId: PmId,
  failure: ReloadFailure,
): Promise<void> {
  const { parts, addresses, interruption, readiness, lastLines, journal, lines } = context;
  const instance = canary.current();
  if (!instance || interruption.isPending()) return;
  await parts.refresh();
  failure.logs = lastLines.of(pmId, failure.code === 'E_STATE');
  try {
    const { addresses: at = [], attachment } = readiness.requireUp(instance);
    const needed = addresses.shareableOf(pmId).filter(({ anyPort }) => !anyPort);
    if (attachment.is === 'attached' && !needed.every((each) => reaches(each.at, at))) return;
  } catch {
    return;
  }
  journal.clear();
  await canary.removeFromList(pmId);
  canary.keep();
  lines.note(`id ${instance.pmId} (the canary, which came up) stays in the place of id ${pmId}`);
}
