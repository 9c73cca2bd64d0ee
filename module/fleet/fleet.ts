// All that the module knows of the managed processes, in one place: other rooms write what they learn, `status` reads it.
import { type App, appOf } from '../../contract/app.ts';
import type { ExitReport } from '../../contract/exitReport.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { GracefulBy, ListenAddress, ServingState, Standing } from '../../contract/standing.ts';
import type { ManagedProcess } from '../pm2/managedProcess.ts';

/** Is the module attached to a process, and if not, why? */
export type Attachment =
  /** Its agent has answered a nonce. */
  | { is: 'attached'; version: string; since: number }
  /** Not attached yet; the module tries again. */
  | { is: 'waiting'; code: string; reason: string }
  /** The module leaves it alone, for good or until it restarts. */
  | { is: 'skipped'; code: string; reason: string };

export interface Member {
  process: ManagedProcess;
  attachment: Attachment;
  /** What its agent last said; `unknown` without an agent. */
  state: ServingState | 'unknown';
  /** Where it listens, or did before its drain, as its agent last said; kept when the agent has gone. */
  addresses?: ListenAddress[];
  /** It is drained, and only the person or the action that asked for that may resume it. */
  stays?: boolean;
  /** It drains because it is about to exit. */
  exits?: boolean;
  /** Whether agent or app handles signals, as its agent last said. */
  graceful?: GracefulBy;
  /** Actions that the app registered itself, under names of ours. */
  kept: string[];
  /** It is a wrapper of the app (a package manager, a loader, …), as its agent last said. */
  wrapper: boolean;
  /** Its app loads the door itself, as its agent last said. */
  loadsDoor?: boolean;
}

export interface Fleet {
  members(): Member[];
  /** By app: the exit report of the last process that its agent drained on a signal. */
  readonly exitReports: Map<App, ExitReport>;
  get(pmId: PmId): Member | undefined;
  /** Records that an instance has called `process.send('ready')` just now. */
  saidReady(pmId: PmId): void;
  /** When an instance last did so while the module ran, on the clock of performance.now(). */
  readyAt(pmId: PmId): number | undefined;
  /** The instances of an app by rising id; those that a reload of PM2 is about to end come last. */
  instancesOf(app: App): Member[];
  /** The other instances of its app. */
  siblingsOf(member: Member): Member[];
  /**
   * Takes over PM2's list. A process with another pid has restarted: what was known of it is forgotten.
   * @returns the processes that are new, and those that are gone
   */
  sync(processes: readonly ManagedProcess[]): { added: Member[]; removed: Member[] };
}

/** @param isApp is this process an app, and not a module of PM2? */
export function createFleet(isApp: (listed: ManagedProcess) => boolean): Fleet {
  const members = new Map<PmId, Member>();
  const readyAtMs = new Map<PmId, number>();
  const all = () => [...members.values()].sort((a, b) => rank(a) - rank(b));
  const instancesOf = (app: App) => all().filter(({ process: listed }) => appOf(listed) === app);
  return {
    exitReports: new Map(),
    members: all,
    get: (pmId) => members.get(pmId),
    saidReady: (pmId) => readyAtMs.set(pmId, performance.now()),
    readyAt: (pmId) => readyAtMs.get(pmId),
    instancesOf,
    siblingsOf: (member) => instancesOf(appOf(member.process)).filter((other) => other !== member),
    sync(processes) {
      const added: Member[] = [];
      const removed: Member[] = [];
      const seen = new Set<PmId>();
      const moved = new Map([...members.values()].map((member) => [member.process.pid, member]));
      for (const listed of processes.filter(isApp)) {
        seen.add(listed.pmId);
        const known = members.get(listed.pmId);
        if (known && known.process.pid === listed.pid) {
          known.process = listed;
          continue;
        }
        // A reload of PM2 renames the old process (3 becomes _old_3) and gives its id to the new one.
        const renamed = listed.pid > 0 ? moved.get(listed.pid) : undefined;
        const member = renamed ?? newcomer(listed);
        member.process = listed;
        members.set(listed.pmId, member);
        if (!renamed) added.push(member);
        if (known && !processes.some(({ pid }) => pid === known.process.pid)) removed.push(known);
      }
      for (const [pmId, member] of members) {
        if (seen.has(pmId)) continue;
        members.delete(pmId);
        readyAtMs.delete(pmId);
        if (member.process.pmId === pmId) removed.push(member);
      }
      return { added, removed };
    },
  };
}

/** Sorts processes that a reload of PM2 is about to end to the end. */
function rank({ process: { pmId } }: Member): number {
  return typeof pmId === 'number' ? pmId : Number.MAX_SAFE_INTEGER;
}

/** Records what a process's agent says. */
export function learn(member: Member, { state, graceful, addresses, stays, exits }: Standing): void {
  Object.assign(member, { state, graceful, addresses, stays: stays === true, exits: exits === true });
}

function newcomer(listed: ManagedProcess): Member {
  const attachment: Attachment =
    listed.pid > 0
      ? { is: 'waiting', code: 'new', reason: 'just seen' }
      : { is: 'skipped', code: 'not-running', reason: `PM2 says ${listed.status}` };
  return { process: listed, attachment, state: 'unknown', kept: [], wrapper: false };
}
