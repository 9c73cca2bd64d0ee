// One reload of one app: a canary of the new code beside the old instances, and only when it is proven the others, one at a
// time, each drained before PM2 touches it. A run that fails is undone.
import type { ReloadProgress, ReloadRefused, ReloadReply } from '../../../contract/commandMessages.ts';
import type { PmId } from '../../../contract/pmId.ts';
import { serversOf } from '../../agents/askOpsStatus.ts';
import { reaches } from '../../fleet/cover.ts';
import type { Member } from '../../fleet/fleet.ts';
import { createReadiness } from '../../fleet/readiness.ts';
import type { MeantApp } from '../../fleet/target.ts';
import { createCanary } from './canary.ts';
import { modelOf, numberOf } from './canaryModel.ts';
import { proveCanary } from './canaryProof.ts';
import { type ReloadContext, type ReloadParts, type ReloadRequest, requireSuccessorsUp } from './context.ts';
import { createDrains } from './drains.ts';
import { createFormerAddresses, onlineInstancesOf } from './formerAddresses.ts';
import { whyGap } from './gap.ts';
import { createInterruption } from './interruption.ts';
import { createKeepAlive } from './keepAlive.ts';
import { LastLines } from './lastLines.ts';
import { createProgressLines } from './progressLines.ts';
import { ReloadFailure } from './reloadFailure.ts';
import { createRunEntry } from './reloadJournal.ts';
import { isNewAlready, replaceInstance } from './replaceInstance.ts';
import { createSharedSockets } from './sharedSockets.ts';
import { deadlineMsOf } from './timing.ts';
import { undo } from './undo.ts';
import { nothingIsLeft, othersAreDone } from './unlistedProcesses.ts';

/** A run that can be told what happens around it. */
export interface ReloadRun {
  /** Counted from its begin. */
  readonly deadlineMs: number;
  /** Settles with the answer in any case. */
  run(): Promise<ReloadReply | ReloadRefused>;
  /** Has the run end and undo what it did. */
  abort(reason: string): void;
  /** A process wrote something. */
  heard(pmId: PmId, text: unknown): void;
  /** PM2 says that something happened to a process. */
  noticed(event: string, pmId: PmId): void;
}

/**
 * @param members the instances of the app
 * @param tell gets the progress
 */
export function createReloadRun(
  parts: ReloadParts,
  meant: MeantApp,
  request: ReloadRequest,
  members: Member[],
  tell: (progress: ReloadProgress) => void,
): ReloadRun {
  const context = createContext(parts, meant, request, members, tell);
  const { app, title, old, lines, interruption, addresses, sockets, lastLines, journal } = context;
  const { successors, replaced } = context;
  const { fleet, refresh, askState } = parts;
  const canary = createCanary(context);
  const keepAlive = createKeepAlive(context);
  const deadlineMs = deadlineMsOf(request, members);
  return { deadlineMs, run, abort: interruption.abort, heard: (pmId, text) => lastLines.heard(pmId, text), noticed };

  async function run(): Promise<ReloadReply | ReloadRefused> {
    try {
      await reload();
      const ms = lines.elapsedMs();
      return { ok: true, action: 'reload', app: title, instances: old.length, replaced, notes: lines.notes, ms };
    } catch (error) {
      return await undo(context, canary, keepAlive, error);
    } finally {
      sockets.end();
      parts.journal.clear(app);
    }
  }

  async function reload(): Promise<void> {
    lines.progress('begin', `${old.length} instance(s) of ${title}`, { deadlineMs });
    if (meant.byId) {
      lines.note(`id ${request.app} is an instance of ${title}: all ${old.length} of them are reloaded`);
    }
    await othersAreDone(context);
    await addresses.learn();
    await sockets.hold(onlineInstancesOf(fleet, app));
    const gap = whyGap(context);
    if (gap !== undefined && !request.force) throw gap;
    journal.write();
    await (gap === undefined ? canaryThenOthers() : restartInPlace());
    await nothingIsLeft(context);
  }

  async function canaryThenOthers(): Promise<void> {
    const model = modelOf(context);
    const instance = await canary.start(model, numberOf(context, model));
    await proveCanary(context, canary, instance);
    successors.push(instance);
    await keepAlive.turnOff();
    for (const each of old) {
      interruption.checkpoint();
      await refresh();
      requireSuccessorsUp(context);
      if (await isNewAlready(context, each)) continue;
      await replaceInstance(context, canary, each);
    }
    await refresh();
    requireSuccessorsUp(context);
    await requireServedAsBefore();
    lines.progress('finish', `all ${old.length} replaced; the canary (id ${canary.current()?.pmId}) goes`);
    await canary.remove();
  }

  /** Where no second instance can take over: there is no canary, and clients are refused for a moment. */
  async function restartInPlace(): Promise<void> {
    for (const each of old) {
      interruption.checkpoint();
      await replaceInstance(context, canary, each);
    }
  }

  /** Every address that was served before has to be served now. */
  async function requireServedAsBefore(): Promise<void> {
    for (const { pmId } of old) {
      const member = fleet.get(pmId);
      const at = addresses.requiredOf(pmId);
      if (!member || at.length === 0 || member.attachment.is !== 'attached') continue;
      await askState(member);
      const missing = at.filter((each) => !reaches(each, member.addresses ?? []));
      if (missing.length === 0 && member.state === 'serving') continue;
      throw new ReloadFailure(
        'E_STATE',
        `instance ${pmId} came up and does not listen on ${(missing.length > 0 ? missing : at).join(', ')} any more`,
        'look at its log lines, mend the code, then reload again',
      );
    }
  }

  /** PM2 renames an instance to `_old_` when it reloads it: where this run did not have it do so, another reload runs. */
  function noticed(event: string, pmId: PmId): void {
    if (event === 'exit') lastLines.ended(pmId);
    const id = Number(/^_old_(\d+)$/.exec(String(pmId))?.[1] ?? Number.NaN);
    const ours = canary.current()?.pmId === id || old.some((each) => each.pmId === id);
    if (ours && !context.leftToPm2.has(id)) interruption.overlapped(`instance ${id} was reloaded`);
  }
}

function createContext(
  parts: ReloadParts,
  { app, title }: MeantApp,
  request: ReloadRequest,
  members: Member[],
  tell: (progress: ReloadProgress) => void,
): ReloadContext {
  const { namespace = '', name = '' } = members[0]?.process ?? {};
  const of = { namespace, name };
  const old = members.map(({ process: { pmId, pid, restarts } }) => ({ pmId, pid, restarts, startedMs: 0 }));
  const lines = createProgressLines(title, request.by, tell, parts.log);
  const interruption = createInterruption(title, lines.again);
  const addresses = createFormerAddresses(parts, app, members, request.force);
  const sockets = createSharedSockets(parts, addresses);
  const journal = createRunEntry(
    parts.journal,
    () => ({
      ...of,
      old: old.map(({ pmId, pid }) => ({ pmId, pid })),
      patient: request.patient > 0,
      at: old.flatMap(({ pmId }) => addresses.shareableOf(pmId)).map(({ at }) => at),
    }),
    ({ message }) =>
      lines.note(`not in the journal (${message}): if pm2-ops is killed now, look after the canary yourself`),
  );
  const readiness = createReadiness({
    ...parts,
    serversOf: (pmId) => serversOf(parts.calls, pmId),
    checkpoint: interruption.checkpoint,
    forced: () => lines.again('force'),
  });
  const drains = createDrains(parts, request.drain, lines.note);
  return {
    ...{ parts, request, app, title, of, old, lines, interruption, addresses, sockets, readiness, drains, journal },
    lastLines: new LastLines(),
    successors: [],
    replaced: [],
    leftToPm2: new Set(),
  };
}
