// A sibling for the time of a dump, where an app has only one instance: started and serving before that one is drained,
// drained and removed after. It carries a mark in its environment, so that whoever comes after a module that died knows it.
import { setTimeout as sleep } from 'node:timers/promises';
import { titleOf } from '../../contract/app.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import { serversOf } from '../agents/askOpsStatus.ts';
import { shareable } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { createReadiness } from '../fleet/readiness.ts';
import { type Daemon, type PmId, STAND_IN } from '../pm2/daemon.ts';

/** How long a stand-in may take until it serves, in milliseconds. */
export const SERVES_WITHIN_MS = 60_000;
/** Pause between two looks, in milliseconds. */
const LOOK_EVERY_MS = 250;
/** How long it waits, in milliseconds, for the instance that it stands in for to serve again, before it is left to a later look. */
const ENDS_WITHIN_MS = 60_000;
/** How long its requests in flight may take to finish, and what an answer may take on top, in milliseconds. */
const DRAIN_MS = 30_000;
const MARGIN_MS = 6_000;

export interface StandIns {
  /** Starts one beside this instance. @returns its id once it serves @throws why there is none; nothing is left then */
  start(member: Member): Promise<PmId>;
  /** Takes it away again, once somebody else serves. Settles in any case. */
  end(pmId: PmId): Promise<void>;
  /** Takes those away that a module which has died left behind, or that could not go when they should. */
  sweep(): void;
}

export interface StandInParts {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  askState(member: Member): Promise<void>;
  log(line: string): void;
}

export function createStandIns({ fleet, daemon, calls, refresh, askState, log }: StandInParts): StandIns {
  const run = `${process.pid}-${Date.now()}`;
  const readiness = createReadiness({
    fleet,
    serversOf: (pmId) => serversOf(calls, pmId),
    refresh,
    askState,
    checkpoint: () => {},
  });
  /** Those that stand in now, and those that are on their way out. */
  const needed = new Set<PmId>();
  const ending = new Map<PmId, Promise<void>>();
  const starting = new Set<string>();
  let started = 0;

  return { start, end, sweep };

  async function start(member: Member): Promise<PmId> {
    const { process: model } = member;
    const { pmId: original } = model;
    const at = shareable(member, []).flatMap((address) => (address.anyPort ? [] : [address.at]));
    const startedMs = performance.now();
    const endsMs = startedMs + SERVES_WITHIN_MS;
    const mark = `${run}-${started++}`;
    starting.add(mark);
    let refusal: Error | undefined;
    daemon.startAnother(original, { [STAND_IN]: mark }, 'same').catch((error: Error) => {
      refusal = error;
    });
    let pmId: PmId | undefined;
    try {
      for (;;) {
        await refresh();
        pmId = fleet.members().find(({ process }) => process.standIn === mark)?.process.pmId;
        if (pmId !== undefined) break;
        if (refusal) throw refusal;
        if (performance.now() > endsMs) throw new Error(`PM2 started none within ${SERVES_WITHIN_MS} ms`);
        await sleep(LOOK_EVERY_MS);
      }
      needed.add(pmId);
      log(`id ${pmId} of ${titleOf(model)} stands in for id ${original} while that one dumps its heap`);
      await readiness.untilReady({ pmId, pid: 0, restarts: 0, startedMs }, { serves: true, at, endsMs });
      return pmId;
    } catch (error) {
      if (pmId !== undefined) void end(pmId);
      throw error;
    } finally {
      starting.delete(mark);
    }
  }

  function end(pmId: PmId): Promise<void> {
    needed.delete(pmId);
    const going = ending.get(pmId) ?? leave(pmId).catch((error: Error) => log(`id ${pmId}: ${error.message}`));
    ending.set(pmId, going);
    return going.finally(() => ending.delete(pmId));
  }

  async function leave(pmId: PmId): Promise<void> {
    const endsMs = performance.now() + ENDS_WITHIN_MS;
    for (;;) {
      await refresh();
      const member = fleet.get(pmId);
      // Somebody has made it an instance of their own, or it is gone.
      if (member?.process.standIn === undefined) return;
      if (othersServe(member) && (await removed(member))) return;
      if (performance.now() > endsMs) {
        log(`id ${pmId} of ${titleOf(member.process)} stays: no other instance serves; it goes when one does`);
        return;
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  async function removed({ process, attachment }: Member): Promise<boolean> {
    const { pmId, killTimeoutMs } = process;
    if (attachment.is === 'attached' && process.status === 'online') {
      const drain = await calls.run(pmId, 'drain', { timeout: DRAIN_MS }, DRAIN_MS + MARGIN_MS);
      if (!drain.ok && drain.code !== 'E_NO_SERVER') return false;
    }
    await daemon.remove(pmId, killTimeoutMs);
    log(`id ${pmId} of ${titleOf(process)}, the stand-in, is gone again`);
    return true;
  }

  /** Only who said so itself: one that is blocked by its dump says nothing. */
  function othersServe(member: Member): boolean {
    return fleet
      .siblingsOf(member)
      .some(
        ({ process, attachment, state }) =>
          process.standIn === undefined &&
          process.status === 'online' &&
          attachment.is === 'attached' &&
          state === 'serving',
      );
  }

  function sweep(): void {
    for (const member of fleet.members()) {
      const { pmId, standIn } = member.process;
      if (standIn === undefined || needed.has(pmId) || ending.has(pmId) || starting.has(standIn)) continue;
      if (othersServe(member)) void end(pmId);
    }
  }
}
