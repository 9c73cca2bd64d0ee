// Takes evidence for rules: never in the way of a person's command, one action of an app at a time, few on a host. Stacks have a
// lane of their own, because a process that stands still does not wait for the end of a leak report elsewhere.
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { Evidence, HostLimit, Rule, RuleAction } from '../../contract/rules.ts';
import type { Events } from '../events/events.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { forgetOld, limitedUntil } from './limits.ts';
import type { Outcome } from './perform.ts';

/** An action that was refused because something else runs is tried again after this time, and so often. */
const AGAIN_AFTER_MS = 5 * 60_000;
const MOST_TRIES = 3;
/** Actions that wait for their turn; more of them at once are refused. */
const MOST_WAITING = 50;

export interface EvidenceParts {
  fleet: Fleet;
  events: Events;
  host(): HostLimit;
  /** When actions of rules began, by Date.now(); this file adds to it. */
  hostTimes: { get(): number[]; set(times: number[]): void };
  /** Does a reload of this app run? */
  reloading(app: App): boolean;
  /** Does an instance of this app write a heap dump, or wait for its turn? */
  dumping(app: App): boolean;
  /** Performs the action; never rejects. */
  perform(action: RuleAction, member: Member): Promise<Outcome>;
  /** Hears what came of each. */
  taken(evidence: Evidence): void;
  now(): number;
  /** Calls it after that time. */
  later(ms: number, call: () => void): void;
}

export interface EvidenceTaker {
  /** @param isStill is there still a reason when its turn comes? */
  take(rule: Rule, action: RuleAction, member: Member, isStill: () => boolean): void;
}

interface Job {
  rule: Rule;
  action: RuleAction;
  member: Member;
  /** The process that it is about: its id may get another one meanwhile. */
  pid: number;
  isStill(): boolean;
  /** How often it was refused. */
  tries: number;
}

export function createEvidenceTaker(parts: EvidenceParts): EvidenceTaker {
  const { fleet, events, host, hostTimes, reloading, dumping, perform, taken, now, later } = parts;
  let waiting: Job[] = [];
  /** What runs, by pid. */
  const running = new Map<number, Job>();
  /** By pid: how many actions of it run that no rule has begun. */
  const others = new Map<number, number>();

  events.on('action-started', ({ process: { pid } }) => {
    if (!running.has(pid)) others.set(pid, (others.get(pid) ?? 0) + 1);
  });
  events.on('action-finished', ({ process: { pid } }) => {
    const left = (others.get(pid) ?? 0) - 1;
    if (left > 0) others.set(pid, left);
    else others.delete(pid);
  });
  events.on('exited', ({ process: { pid } }) => void others.delete(pid));

  return {
    take(rule, action, member, isStill) {
      const job: Job = { rule, action, member, pid: member.process.pid, isStill, tries: 0 };
      enter(job);
    },
  };

  function enter(job: Job): void {
    if (waiting.length >= MOST_WAITING) {
      refuse(job, no('E_BUSY', `${waiting.length} actions of rules wait already`));
      return;
    }
    waiting.push(job);
    next();
  }

  function next(): void {
    for (;;) {
      const job = waiting.find(hasItsTurn);
      if (!job) return;
      waiting = waiting.filter((each) => each !== job);
      const reason = whyNot(job);
      if (reason) refuse(job, reason);
      else void run(job);
    }
  }

  function hasItsTurn({ action, member, pid }: Job): boolean {
    const inLane = [...running.values()].filter((other) => laneOf(other.action) === laneOf(action));
    const isApps = inLane.some((other) => appOf(other.member.process) === appOf(member.process));
    return inLane.length < host().atOnce && !isApps && !running.has(pid);
  }

  async function run(job: Job): Promise<void> {
    running.set(job.pid, job);
    hostTimes.set([...forgetOld(hostTimes.get(), now(), host()), now()]);
    const outcome = await perform(job.action, job.member);
    running.delete(job.pid);
    if (outcome.ok) tell(job, outcome);
    else refuse(job, outcome);
    next();
  }

  /** What lasts, such as a leak, gets its evidence when the app is no longer busy; what was over meanwhile is no news. */
  function refuse(job: Job, outcome: Outcome): void {
    if (job.tries > 0 && !job.isStill()) return;
    job.tries += 1;
    const isLast = outcome.code !== 'E_BUSY' || job.tries >= MOST_TRIES;
    tell(job, isLast ? outcome : { ...outcome, what: `${outcome.what}; again in ${AGAIN_AFTER_MS / 60_000} minutes` });
    if (!isLast) later(AGAIN_AFTER_MS, () => enter(job));
  }

  function whyNot({ member, pid, isStill }: Job): Outcome | undefined {
    const { process: listed } = member;
    const app = appOf(listed);
    if (fleet.get(listed.pmId) !== member || listed.pid !== pid)
      return no('E_STATE', 'the process has ended meanwhile');
    if (!isStill()) return no('E_STATE', 'it was over before its turn came');
    if (!isAttached(member)) return no('E_STATE', 'pm2-ops is not attached to it');
    if (listed.status !== 'online' || member.exits) return no('E_STATE', 'it starts or exits just now');
    if (reloading(app)) return no('E_BUSY', 'a reload of the app runs');
    if (dumping(app)) return no('E_BUSY', 'an instance of the app writes a heap dump');
    if (others.has(pid)) return no('E_BUSY', 'another action runs there');
    const until = limitedUntil(hostTimes.get(), now(), host());
    if (until !== undefined) return no('E_BUSY', `the host's limit of ${host().times} actions of rules is reached`);
    return undefined;
  }

  function tell({ rule, action, member, pid }: Job, outcome: Outcome): void {
    const { process: listed } = member;
    const about = { rule: rule.name, action: action.action, at: now(), app: titleOf(listed), pmId: listed.pmId, pid };
    taken({ ...about, ...outcome });
  }
}

function laneOf({ action }: RuleAction): 'stack' | 'other' {
  return action === 'stack' ? 'stack' : 'other';
}

function no(code: string, what: string): Outcome {
  return { ok: false, what, code };
}
