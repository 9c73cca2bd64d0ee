// Who ran: PM2's events of an exit tell neither the pid nor the user of a process, so both are learnt while it runs. The living ones
// are kept in a file, too, so that a module which starts later finds out who has ended meanwhile.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod/mini';
import { type PmId, slotOf } from '../../contract/pmId.ts';
import { isAlive, readStat } from '../../shared/linux/proc.ts';
import type { Member } from '../fleet/fleet.ts';
import { uidOf } from '../state/state.ts';

const FILE = 'recorder.json';
/** Lives remembered of one id: the one that runs, and those that PM2 has not told the end of. */
const MOST_LIVES = 4;

const known = z.object({
  pmId: z.union([z.number(), z.string()]),
  pid: z.number(),
  startTicks: z.number(),
  startedAt: z.number(),
  name: z.string(),
  namespace: z.string(),
  mode: z.enum(['cluster', 'fork']),
  restarts: z.number(),
  isOwnUser: z.boolean(),
});
const kept = z.object({
  /** The daemon, and the size of its log then. */
  daemonPid: z.number(),
  daemonStartTicks: z.number(),
  logBytes: z.number(),
  at: z.number(),
  processes: z.array(known),
  /** Exits by a command in the last moments: PM2 deletes its processes one after the other when it is killed. */
  lately: z.array(z.string()),
});

export type Known = z.infer<typeof known>;
export type Kept = z.infer<typeof kept>;

export interface KnownProcesses {
  /** Takes over what PM2 lists. @returns the processes that are new */
  learn(members: readonly Member[]): Known[];
  /** The process of an id that was started then. */
  find(pmId: PmId, startedAt: number): Known | undefined;
  /** That life has ended and is recorded. */
  ended(life: Known): void;
  living(): Known[];
  /** Writes who lives into the state folder. Never throws. */
  keep(logBytes: number, lately: readonly string[]): void;
}

/** @param folder the state folder */
export function createKnownProcesses(folder: string, daemonPid = process.ppid): KnownProcesses {
  const lives = new Map<PmId, Known[]>();
  const daemonStartTicks = readStat(daemonPid)?.startTime ?? 0;
  let written = '';

  return {
    learn(members) {
      const fresh: Known[] = [];
      const listed = new Set<PmId>();
      for (const { process } of members) {
        const { pmId, pid, startedAt, name, namespace, mode, restarts } = process;
        listed.add(slotOf(pmId));
        if (pid <= 0) continue;
        const own = lives.get(slotOf(pmId)) ?? [];
        const life = own.find((each) => each.pid === pid);
        if (life) {
          // A reload renames the process that it is about to end.
          life.pmId = pmId;
          continue;
        }
        const startTicks = readStat(pid)?.startTime;
        if (startTicks === undefined) continue;
        const isOwnUser = uidOf(pid) === globalThis.process.geteuid?.();
        const learnt = { pmId, pid, startTicks, startedAt, name, namespace, mode, restarts, isOwnUser };
        lives.set(slotOf(pmId), [...own, learnt].slice(-MOST_LIVES));
        fresh.push(learnt);
      }
      for (const [slot, own] of lives) if (!listed.has(slot) && !own.some(isRunning)) lives.delete(slot);
      return fresh;
    },
    find(pmId, startedAt) {
      const own = lives.get(slotOf(pmId)) ?? [];
      return own.find((each) => each.startedAt === startedAt);
    },
    ended(life) {
      const own = lives.get(slotOf(life.pmId))?.filter((each) => each !== life) ?? [];
      if (own.length > 0) lives.set(slotOf(life.pmId), own);
      else lives.delete(slotOf(life.pmId));
    },
    living: () => [...lives.values()].flat(),
    keep(logBytes, lately) {
      const processes = [...lives.values()].flat();
      // Only what matters makes a new file: an idle module writes nothing.
      const matters = JSON.stringify([processes, lately]);
      if (matters === written) return;
      const state: Kept = { daemonPid, daemonStartTicks, logBytes, at: Date.now(), processes, lately: [...lately] };
      try {
        const file = join(folder, FILE);
        writeFileSync(`${file}.partial`, JSON.stringify(state), { mode: 0o600 });
        renameSync(`${file}.partial`, file);
        written = matters;
      } catch {
        // The disk is full: a module that starts later knows nothing of who ended meanwhile, and says nothing.
      }
    },
  };
}

/** What the module before has kept; undefined if there was none. */
export function readKept(folder: string): Kept | undefined {
  try {
    return kept.safeParse(JSON.parse(readFileSync(join(folder, FILE), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

export function isRunning({ pid, startTicks }: Known): boolean {
  return isAlive({ pid, startTime: startTicks });
}

/** Does the daemon that ran then run now? */
export function isSameDaemon({ daemonPid, daemonStartTicks }: Kept, pid = process.ppid): boolean {
  return daemonPid === pid && readStat(pid)?.startTime === daemonStartTicks;
}
