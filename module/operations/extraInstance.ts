// Starts an extra instance for the time of a heap dump, if an app has only one. It serves before the app's own instance is drained,
// and goes when that one serves again. A mark in its environment tells the next module about it, if this one dies.
import { setTimeout as sleep } from 'node:timers/promises';
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { AgentCalls } from '../agents/agentCalls.ts';
import { serversOf } from '../agents/askOpsStatus.ts';
import type { Doors } from '../door/doors.ts';
import { shareable } from '../fleet/cover.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { createReadiness } from '../fleet/readiness.ts';
import { saysItServes } from '../fleet/serving.ts';
import type { Daemon } from '../pm2/daemon.ts';
import { STAND_IN } from '../pm2/managedProcess.ts';
import { removeInstance, startInstance } from './startInstance.ts';

/** How long an extra instance may take until it serves. */
export const SERVES_WITHIN_MS = 60_000;
/** Pause between two looks. */
const LOOK_EVERY_MS = 250;
/** How long an extra instance waits until another one serves again; after that, a later `sweep` takes it away. */
const ENDS_WITHIN_MS = 60_000;
/** How long its requests in flight may take to finish, and how much longer its agent may take to answer. */
const DRAIN_MS = 30_000;
const MARGIN_MS = 6_000;

/** The extra instances of all apps. */
export interface ExtraInstances {
  /** Why none can serve beside this instance; undefined where one can. */
  whyNot(member: Member): string | undefined;
  /** Starts one beside this instance. @returns its id once it serves @throws why there is none; then nothing is left behind */
  start(member: Member): Promise<PmId>;
  /** Takes it away again once another instance serves. Always resolves. */
  end(pmId: PmId): Promise<void>;
  /** Takes away extra instances that a dead module has left behind, or that could not go before. */
  sweep(): void;
}

/** What extra instances need of the module. */
export interface ExtraInstanceParts {
  fleet: Fleet;
  daemon: Daemon;
  calls: AgentCalls;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
  askState(member: Member): Promise<void>;
  /** In fork mode, the extra instance takes over the sockets of the app's own one. */
  doors: Pick<Doors, 'whyNot' | 'isPrepared' | 'hold' | 'expectBeside' | 'nodeArgs'>;
  journal: SharingJournal;
  log(line: string): void;
}

/**
 * The journal of reloads. With an extra instance in fork mode, an app is as in a reload with a canary: if the module dies, the next
 * one gets the sockets from it for the app's own instance, and takes it away.
 */
export interface SharingJournal {
  /** @throws when it cannot be written */
  write(entry: {
    name: string;
    namespace: string;
    sinceMs: number;
    old: { pmId: PmId; pid: number }[];
    patient: false;
    at: string[];
    canary?: PmId;
  }): void;
  clear(app: App): void;
}

/** How an extra instance comes to listen beside the app's own. */
interface Sharing {
  at: string[];
  nodeArgs?: string[];
  /** Its id is known. */
  listed(pmId: PmId): void;
  end(): void;
}

/** Knows no extra instance at first; `sweep` finds those of an earlier module. */
export function createExtraInstances(parts: ExtraInstanceParts): ExtraInstances {
  const { fleet, calls, refresh, askState, doors, journal, log } = parts;
  const run = `${process.pid}-${Date.now()}`;
  const readiness = createReadiness({
    fleet,
    serversOf: (pmId) => serversOf(calls, pmId),
    refresh,
    askState,
    checkpoint: () => {},
  });
  const needed = new Set<PmId>();
  const ending = new Map<PmId, Promise<void>>();
  /** The marks of extra instances that PM2 does not list yet, or that do not serve yet. */
  const starting = new Set<string>();
  /** By id: how those share that do. */
  const sharing = new Map<PmId, Sharing>();
  let started = 0;

  return { whyNot, start, end, sweep };

  function whyNot(member: Member): string | undefined {
    if (member.process.mode !== 'fork') return undefined;
    const why = doors.whyNot(member);
    if (why !== undefined) return why;
    return doors.isPrepared(member) ? undefined : 'scale=true can add one after its first pm2-ops reload';
  }

  async function start(member: Member): Promise<PmId> {
    const mark = `${run}-${started++}`;
    starting.add(mark);
    try {
      return await startServing(member, mark);
    } finally {
      starting.delete(mark);
    }
  }

  async function startServing(member: Member, mark: string): Promise<PmId> {
    const share = await shareWith(member);
    try {
      const pmId = await startBeside(member, mark, share);
      sharing.set(pmId, share);
      return pmId;
    } catch (error) {
      share.end();
      throw error;
    }
  }

  async function shareWith(member: Member): Promise<Sharing> {
    const { pmId, pid, mode, name, namespace, nodeArgs = [] } = member.process;
    if (mode !== 'fork') {
      const at = shareable(member, []).flatMap((each) => (each.anyPort ? [] : [each.at]));
      return { at, listed() {}, end() {} };
    }
    const at = (await doors.hold(member)).map((each) => each.at);
    const entry = { name, namespace, sinceMs: Date.now(), old: [{ pmId, pid }], patient: false as const, at };
    journal.write(entry);
    const expected = doors.expectBeside(pmId);
    return {
      at,
      nodeArgs: doors.nodeArgs(nodeArgs),
      listed: (canary) => journal.write({ ...entry, canary }),
      end() {
        expected();
        journal.clear(appOf(member.process));
      },
    };
  }

  async function startBeside(member: Member, mark: string, { at, nodeArgs, listed }: Sharing): Promise<PmId> {
    const model = member.process;
    const startedMs = performance.now();
    const found = await startInstance(parts, {
      model: model.pmId,
      changes: { env: { [STAND_IN]: mark }, ...(nodeArgs ? { nodeArgs } : {}) },
      number: 'same',
      find: () => fleet.members().find(({ process: listed }) => listed.standIn === mark)?.process.pmId,
      withinMs: SERVES_WITHIN_MS,
    });
    if (found.is === 'refused') throw new Error(found.message);
    if (found.is === 'late') throw new Error(`PM2 started none within ${SERVES_WITHIN_MS} ms`);
    const { pmId } = found;
    needed.add(pmId);
    listed(pmId);
    log(`id ${pmId} of ${titleOf(model)} stands in for id ${model.pmId} while that one dumps its heap`);
    const endsMs = startedMs + SERVES_WITHIN_MS;
    try {
      await readiness.untilReady({ pmId, pid: 0, restarts: 0, startedMs }, { serves: true, at, endsMs });
    } catch (error) {
      void end(pmId);
      throw error;
    }
    return pmId;
  }

  function end(pmId: PmId): Promise<void> {
    needed.delete(pmId);
    const going =
      ending.get(pmId) ?? endWhenOthersServe(pmId).catch((error: Error) => log(`id ${pmId}: ${error.message}`));
    ending.set(pmId, going);
    return going.finally(() => {
      ending.delete(pmId);
      if (fleet.get(pmId)) return;
      sharing.get(pmId)?.end();
      sharing.delete(pmId);
    });
  }

  async function endWhenOthersServe(pmId: PmId): Promise<void> {
    const endsMs = performance.now() + ENDS_WITHIN_MS;
    for (;;) {
      await refresh();
      const member = fleet.get(pmId);
      // It is gone, or a person has restarted it as an ordinary instance.
      if (member?.process.standIn === undefined) return;
      if (othersServe(member) && (await isRemoved(member))) return;
      if (performance.now() > endsMs) {
        log(`id ${pmId} of ${titleOf(member.process)} stays: no other instance serves; it goes when one does`);
        return;
      }
      await sleep(LOOK_EVERY_MS);
    }
  }

  async function isRemoved({ process: listed, attachment }: Member): Promise<boolean> {
    const { pmId } = listed;
    if (attachment.is === 'attached' && listed.status === 'online') {
      const drain = await calls.run(pmId, 'drain', { timeout: DRAIN_MS }, DRAIN_MS + MARGIN_MS);
      if (!drain.ok && drain.code !== 'E_NO_SERVER') return false;
    }
    const isGone = await removeInstance(parts, pmId);
    if (!isGone) throw new Error(`PM2 could not delete it; do it: pm2 delete ${pmId}`);
    log(`id ${pmId} of ${titleOf(listed)}, the stand-in, is gone again`);
    return true;
  }

  /** Does the agent of another instance say that it serves? An instance that its dump blocks says nothing. */
  function othersServe(member: Member): boolean {
    return fleet
      .siblingsOf(member)
      .some((each) => each.process.standIn === undefined && each.attachment.is === 'attached' && saysItServes(each));
  }

  function sweep(): void {
    for (const member of fleet.members()) {
      const { pmId, standIn } = member.process;
      if (standIn === undefined || needed.has(pmId) || ending.has(pmId) || starting.has(standIn)) continue;
      if (othersServe(member)) void end(pmId);
    }
  }
}
