// Puts right what a reload left behind whose module was killed: old instances that it had drained serve again, and its
// canary goes as soon as they do.
import { setTimeout as sleep } from 'node:timers/promises';
import { appOf, titleOf } from '../../../contract/app.ts';
import type { AgentCalls } from '../../agents/agentCalls.ts';
import { coverOf, list } from '../../fleet/cover.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';
import type { Daemon, PmId } from '../../pm2/daemon.ts';
import type { UnfinishedReload } from './reloadJournal.ts';

/** Pause between two looks, in milliseconds. */
const LOOK_EVERY_MS = 150;
/** How long the agents may take to be known again, in milliseconds; most answer in tens. */
const KNOWN_WITHIN_MS = 30_000;
/** How long the other instances may take to serve (one may just be starting), in milliseconds. */
const SERVE_WITHIN_MS = 60_000;
/** How long requests on the canary may take to finish, and its agent to answer on top, in milliseconds. */
const DRAIN_MS = 30_000;
const ANSWERS_WITHIN_MS = 6_000;
/** PM2 starts a canary within so many milliseconds of being asked. */
const STARTS_WITHIN_MS = 10_000;

interface Parts {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  refresh(): Promise<void>;
  askState(member: Member): Promise<void>;
  log(line: string): void;
}

/** @returns when it is put right, or cannot be within its deadlines; what was done is logged */
export async function putRight(reload: UnfinishedReload, parts: Parts): Promise<void> {
  const { old, patient } = reload;
  const app = appOf(reload);
  const { fleet, daemon, calls, refresh, askState } = parts;
  const log = (line: string) => parts.log(`reload ${titleOf(reload)}: ${line}`);
  log('the module was killed in the middle of it');
  await until(KNOWN_WITHIN_MS, () => instances().every(({ attachment }) => attachment.is !== 'waiting'));
  for (const { pmId, pid } of old) await serveAgain(pmId, pid);

  const canary = reload.canary ?? unknownOne();
  if (canary === undefined || !fleet.get(canary)) {
    log(`nothing is left of it; ${stateOfOld()}`);
  } else if (await until(SERVE_WITHIN_MS, othersServe)) {
    const member = fleet.get(canary);
    if (member?.attachment.is === 'attached') {
      await askState(member);
      const others = fleet.siblingsOf(member).filter(({ state }) => state === 'serving');
      const needed = coverOf(member, others).alone.filter(({ at }) => reload.at?.includes(at));
      if (needed.length > 0) {
        log(`its canary (id ${canary}) stays: nobody else listens on ${list(needed)}; look with: pm2-ops status`);
        return;
      }
      // What it may listen on elsewhere nobody expects to be served.
      await calls.run(canary, 'drain', { timeout: DRAIN_MS, force: true }, DRAIN_MS + ANSWERS_WITHIN_MS);
    }
    await daemon.remove(canary, fleet.get(canary)?.process.killTimeoutMs ?? 0);
    await refresh();
    log(`its canary (id ${canary}) is gone; ${stateOfOld()}`);
  } else {
    log(`its canary (id ${canary}) stays, because not all others serve; look with: pm2-ops status`);
  }

  function instances(): Member[] {
    return fleet.instancesOf(app);
  }

  /** Only the same process: one that was started again meanwhile is nobody's to resume. */
  async function serveAgain(pmId: PmId, pid: number): Promise<void> {
    const member = fleet.get(pmId);
    if (member?.process.pid !== pid || member.process.status !== 'online' || member.attachment.is !== 'attached')
      return;
    await askState(member);
    if (member.state === 'drained' || member.state === 'draining') {
      const { ok } = await calls.run(pmId, 'resume', {}, ANSWERS_WITHIN_MS);
      log(ok ? `id ${pmId} serves again` : `id ${pmId} could not be resumed; do it: pm2 trigger ${pmId} resume`);
    }
    if (patient) await calls.run(pmId, 'enable-keepalive', {}, ANSWERS_WITHIN_MS);
  }

  /** PM2 had been asked for a canary and had not listed it yet: one that nobody knows and that was created just then. */
  function unknownOne(): PmId | undefined {
    const unknown = instances().filter(({ process }) => {
      const afterMs = process.createdMs - reload.sinceMs;
      const isOld = old.some(({ pmId }) => pmId === process.pmId);
      return !isOld && process.standIn === undefined && afterMs >= 0 && afterMs < STARTS_WITHIN_MS;
    });
    return unknown.length === 1 ? unknown[0]?.process.pmId : undefined;
  }

  function othersServe(): boolean {
    const others = instances().filter(({ process }) => process.pmId !== canary);
    const serves = instances().some(({ state }) => state === 'serving');
    return (
      others.length > 0 &&
      others.every(({ process, attachment, state }) => {
        if (process.status !== 'online') return false;
        return attachment.is === 'attached' ? state === 'serving' || !serves : attachment.is === 'skipped';
      })
    );
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
      // One that listened after its agent had come has not told yet.
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
