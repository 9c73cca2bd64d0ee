// Puts right what an interrupted reload left behind, one whose module was killed: its drained instances serve again, and its
// canary goes as soon as they do.
import { setTimeout as sleep } from 'node:timers/promises';
import { appOf, titleOf } from '../../../contract/app.ts';
import type { PmId } from '../../../contract/pmId.ts';
import { coverOf, list } from '../../fleet/cover.ts';
import type { Member } from '../../fleet/fleet.ts';
import { hasComeUp, saysItServes } from '../../fleet/serving.ts';
import { removeInstance } from '../startInstance.ts';
import type { ReloadParts } from './context.ts';
import type { UnfinishedReload } from './reloadJournal.ts';
import { AGENT_MARGIN_MS, LOOK_EVERY_MS } from './timing.ts';

/** How long the agents may take until this module knows them; most answer in tens of milliseconds. */
const KNOWN_WITHIN_MS = 30_000;
/** How long the other instances may take to serve: one may just be starting. */
const SERVE_WITHIN_MS = 60_000;
/** How long requests on the canary may take to finish. */
const DRAIN_MS = 30_000;
/** PM2 has started a canary within this time of being asked for one. */
const STARTS_WITHIN_MS = 10_000;

/** Settles when all is put right, or cannot be within its deadlines. The log tells what was done. */
export async function putRight(reload: UnfinishedReload, parts: ReloadParts): Promise<void> {
  const { canary, old } = reload;
  // In fork mode the sockets live on in the canary alone: those who are to serve again get them from there.
  const undo = canary === undefined ? [] : old.map(({ pmId }) => parts.doors.expectBeside(canary, pmId));
  try {
    await serveAsBefore(reload, parts);
  } finally {
    for (const each of undo) each();
  }
}

async function serveAsBefore(reload: UnfinishedReload, parts: ReloadParts): Promise<void> {
  const { old, patient } = reload;
  const app = appOf(reload);
  const { fleet, calls, doors, refresh, askState } = parts;
  const log = (line: string) => parts.log(`reload ${titleOf(reload)}: ${line}`);
  log('the module was killed in the middle of it');
  await until(KNOWN_WITHIN_MS, () => instances().every(({ attachment }) => attachment.is !== 'waiting'));
  const known = reload.canary === undefined ? undefined : fleet.get(reload.canary);
  if (known && doors.isPrepared(known)) await doors.hold(known).catch(({ message }: Error) => log(message));
  for (const { pmId, pid } of old) await serveAgain(pmId, pid);

  const canary = reload.canary ?? unknownOne();
  if (canary === undefined || !fleet.get(canary)) {
    log(`nothing is left of it; ${stateOfOld()}`);
  } else if (await until(SERVE_WITHIN_MS, othersServe)) {
    const member = fleet.get(canary);
    if (member?.attachment.is === 'attached') {
      await askState(member);
      const others = fleet.siblingsOf(member).filter(saysItServes);
      const needed = coverOf(member, others).alone.filter(({ at }) => reload.at?.includes(at));
      if (needed.length > 0) {
        log(`its canary (id ${canary}) stays: nobody else listens on ${list(needed)}; look with: pm2-ops status`);
        return;
      }
      // Clients expect nothing at its other addresses: no old instance had them.
      await calls.run(canary, 'drain', { timeout: DRAIN_MS, force: true }, DRAIN_MS + AGENT_MARGIN_MS);
    }
    const isGone = await removeInstance(parts, canary);
    log(`its canary (id ${canary}) ${isGone ? 'is gone' : 'could not be deleted'}; ${stateOfOld()}`);
  } else {
    log(`its canary (id ${canary}) stays, because not all others serve; look with: pm2-ops status`);
  }

  function instances(): Member[] {
    return fleet.instancesOf(app);
  }

  /** Resumes the very process that the reload drained, and no successor that somebody has started since. */
  async function serveAgain(pmId: PmId, pid: number): Promise<void> {
    const member = fleet.get(pmId);
    if (member?.process.pid !== pid || member.process.status !== 'online' || member.attachment.is !== 'attached')
      return;
    await askState(member);
    if (member.state === 'drained' || member.state === 'draining') {
      const { ok } = await calls.run(pmId, 'resume', {}, AGENT_MARGIN_MS);
      log(ok ? `id ${pmId} serves again` : `id ${pmId} could not be resumed; do it: pm2 trigger ${pmId} resume`);
    }
    if (patient) await calls.run(pmId, 'enable-keepalive', {}, AGENT_MARGIN_MS);
  }

  /** The canary of a module that was killed before PM2 listed it: an instance of unknown origin, created just then. */
  function unknownOne(): PmId | undefined {
    const unknown = instances().filter(({ process: listed }) => {
      const afterMs = listed.createdMs - reload.sinceMs;
      const isOld = old.some(({ pmId }) => pmId === listed.pmId);
      return !isOld && listed.standIn === undefined && afterMs >= 0 && afterMs < STARTS_WITHIN_MS;
    });
    return unknown.length === 1 ? unknown[0]?.process.pmId : undefined;
  }

  function othersServe(): boolean {
    // What a reload of PM2 is about to end counts neither way.
    const others = instances().filter(({ process: { pmId } }) => pmId !== canary && typeof pmId === 'number');
    const appServes = instances().some(saysItServes);
    return others.length > 0 && others.every((other) => hasComeUp(other, appServes));
  }

  function stateOfOld(): string {
    const left = old.filter(({ pmId, pid }) => fleet.get(pmId)?.process.pid === pid).length;
    return left === 0
      ? 'every instance was replaced'
      : `${left} of ${old.length} instance(s) not replaced, reload again`;
  }

  async function until(withinMs: number, holds: () => boolean): Promise<boolean> {
    const endsMs = performance.now() + withinMs;
    for (;;) {
      await refresh();
      // An agent does not always tell when its app begins to listen after it has come.
      await Promise.all(
        instances()
          .filter(({ state }) => state === 'no-server')
          .map(askState),
      );
      if (holds()) return true;
      if (performance.now() > endsMs) return false;
      await sleep(LOOK_EVERY_MS);
    }
  }
}
