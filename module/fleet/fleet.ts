// What is known of every managed process, in one place: the rooms write what they learn, `status` reads it.
import { type App, appOf } from '../../contract/app.ts';
import type { ExitReport } from '../../contract/exitReport.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { GracefulBy, ListenAddress, ServingState, Standing } from '../../contract/standing.ts';
import type { ManagedProcess } from '../pm2/managedProcess.ts';

/** How we stand to a process. */
export type Attachment =
  /** Its agent answered a nonce. */
  | { is: 'attached'; version: string; since: number }
  /** Not yet; tried again by itself. */
  | { is: 'waiting'; code: string; reason: string }
  /** Left alone, for good or until it restarts. */
  | { is: 'skipped'; code: string; reason: string };

export interface Member {
  process: ManagedProcess;
  attachment: Attachment;
  /** As its agent last said; `unknown` without one. */
  state: ServingState | 'unknown';
  /** Where it listens, or did before it was drained, as its agent last said; also of an agent that has left since. */
  addresses?: ListenAddress[];
  /** It is drained, and nobody but whoever asked for it is to undo that. */
  stays?: boolean;
  /** It drains because it is about to exit. */
  exits?: boolean;
  /** Who handles signals there, as its agent last said. */
  graceful?: GracefulBy;
  /** Action names that the app keeps for itself. */
  kept: string[];
  /** PM2 runs a wrapper of the app here (a package manager, a loader, …), as its agent last said. */
  wrapper: boolean;
}

export interface Fleet {
  members(): Member[];
  /** By app: how the last process exited that its agent drained on a signal. */
  readonly exitReports: Map<App, ExitReport>;
  get(pmId: PmId): Member | undefined;
  /** An instance said `process.send('ready')` just now. */
  saidReady(pmId: PmId): void;
  /** When an instance last said so, in the time of performance.now(); known since the module runs. */
  readyAt(pmId: PmId): number | undefined;
  /** By rising id, with what a reload of PM2 is about to end. */
  instancesOf(app: App): Member[];
  /** The other instances of its app. */
  siblingsOf(member: Member): Member[];
  /**
   * Takes over what PM2 lists now. A process that restarted (another pid) starts anew.
   * @returns who is new and who is gone
   */
  sync(processes: readonly ManagedProcess[]): { added: Member[]; removed: Member[] };
}

/** @param isApp which processes are apps to attach to (not modules) */
export function createFleet(isApp: (process: ManagedProcess) => boolean): Fleet {
  const members = new Map<PmId, Member>();
  const readyAtMs = new Map<PmId, number>();
  const all = () => [...members.values()].sort((a, b) => rank(a) - rank(b));
  const instancesOf = (app: App) => all().filter(({ process }) => appOf(process) === app);
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
      for (const process of processes.filter(isApp)) {
        seen.add(process.pmId);
        const known = members.get(process.pmId);
        if (known && known.process.pid === process.pid) {
          known.process = process;
          continue;
        }
        // A reload renames the old process (3 becomes _old_3) and gives its id to the new one.
        const renamed = process.pid > 0 ? moved.get(process.pid) : undefined;
        const member = renamed ?? newcomer(process);
        member.process = process;
        members.set(process.pmId, member);
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

/** Those that a reload of PM2 is about to end come last. */
function rank({ process: { pmId } }: Member): number {
  return typeof pmId === 'number' ? pmId : Number.MAX_SAFE_INTEGER;
}

/** Takes over what its agent says. */
export function learn(member: Member, { state, graceful, addresses, stays, exits }: Standing): void {
  Object.assign(member, { state, graceful, addresses, stays: stays === true, exits: exits === true });
}

function newcomer(process: ManagedProcess): Member {
  const attachment: Attachment =
    process.pid > 0
      ? { is: 'waiting', code: 'new', reason: 'just seen' }
      : { is: 'skipped', code: 'not-running', reason: `PM2 says ${process.status}` };
  return { process, attachment, state: 'unknown', kept: [], wrapper: false };
}
