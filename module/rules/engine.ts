// The rules at work: what happens is compared with each rule that is on.
import { type OfApp, titleOf } from '../../contract/app.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import type { FigureSample } from '../../contract/figures.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Condition, Rule } from '../../contract/rules.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { matches } from '../pm2/settings.ts';
import { sizeText, timeText } from '../rulesFile/units.ts';
import { createExits, exitsText } from './exits.ts';
import { createSeries, type Series } from './series.ts';
import { createStandings, type Firing, type Subject } from './standings.ts';
import type { Beat, Standstill } from './standstill.ts';
import { figureText } from './words.ts';

export interface EngineParts {
  fleet: Pick<Fleet, 'get' | 'members'>;
  rules(): readonly Rule[];
  standstill: Standstill;
  /** V8 blocks a process while it writes a heap dump, which is no fault of the app. */
  isDumping(pid: number): boolean;
  /** The last sign of life of a process; undefined if it has given none. */
  beatOf(member: Member): Beat | undefined;
  /** Do the settings leave this app alone? */
  isLeftAlone(app: OfApp): boolean;
  /** Bytes left on the disk for dumps; undefined if it does not tell. */
  diskLeft(): number | undefined;
  begins(firing: Firing): void;
  isOver(firing: Firing): void;
}

export interface Engine {
  /** A process has new figures. */
  figures(pmId: PmId, sample: FigureSample): void;
  /** The module has asked a process, which has not answered for that time. */
  blocked(pid: number, blockedMs: number, now: number): void;
  exited(record: ExitRecord): void;
  /** Looks at what no event tells: who is blocked, what is over, the disk. */
  tick(now: number): void;
  /** Does this rule fire about this process? */
  fires(rule: Rule, member: Member): boolean;
  firing(): Firing[];
  /** The used heap of a process, by its last figures. */
  heapUsedBytes(pid: number): number;
}

export function createEngine(parts: EngineParts): Engine {
  const { fleet, rules, standstill, isDumping, beatOf, isLeftAlone, diskLeft } = parts;
  const standings = createStandings(parts);
  /** By pid. */
  const series = new Map<number, Series>();
  const exits = createExits();

  return {
    figures(pmId, sample) {
      const member = fleet.get(pmId);
      if (!member || !isAttached(member)) return;
      const { pid } = member.process;
      const known = series.get(pid) ?? createSeries();
      series.set(pid, known);
      const values = known.take(sample);
      for (const rule of concerning(member)) {
        const { when } = rule;
        if (!('above' in when) || when.is === 'disk') continue;
        const value = values[when.is];
        if (value === undefined) continue;
        standings.weigh(rule, ofProcess(member), value, sample.at, when, () => figureText(when.is, value));
      }
    },
    blocked: standstill.found,
    exited(record) {
      if (exits.add(record)) weighExits(record.at);
    },
    tick(now) {
      forgetTheGone();
      for (const member of fleet.members()) lookForStandstill(member, now);
      weighExits(now);
      weighDisk(now);
    },
    fires: (rule, member) => standings.fires(rule, ofProcess(member).key),
    firing: standings.firing,
    heapUsedBytes: (pid) => series.get(pid)?.heapUsedBytes() ?? 0,
  };

  function concerning({ process: listed }: Member): Rule[] {
    return rules().filter((rule) => rule.on && isAbout(rule, listed));
  }

  function lookForStandstill(member: Member, now: number): void {
    const { pid } = member.process;
    if (pid <= 0 || !isAttached(member)) return;
    const concerned = concerning(member).filter(({ when }) => when.is === 'blocked');
    if (concerned.length === 0) return;
    const found = standstill.look(pid, beatOf(member), now) ?? 0;
    const blockedMs = found > 0 && isDumping(pid) ? 0 : found;
    for (const rule of concerned) {
      const { forMs } = rule.when as Extract<Condition, { is: 'blocked' }>;
      // The time is in the value.
      const threshold = { above: forMs, below: 1, forMs: 0 };
      const what = () =>
        blockedMs > 0 ? `its event loop has not turned for ${timeText(blockedMs)}` : 'it turns again';
      standings.weigh(rule, ofProcess(member), blockedMs, now, threshold, what);
    }
  }

  function weighExits(now: number): void {
    for (const rule of rules()) {
      const { when } = rule;
      if (!rule.on || (when.is !== 'exit' && when.is !== 'restarts')) continue;
      const threshold = { above: when.times - 0.5, below: when.times - 0.5, forMs: 0 };
      const byApp = exits.of(when, now);
      for (const [app, found] of byApp) {
        const [{ namespace, name }] = found as [ExitRecord];
        if (!isAbout(rule, { namespace, name }) || isLeftAlone({ namespace, name })) continue;
        const subject: Subject = { key: app, title: titleOf({ namespace, name }), app: { namespace, name } };
        standings.weigh(rule, subject, found.length, now, threshold, () => exitsText(found, when));
      }
      standings.end((name, { key }) =>
        name === rule.name && !byApp.has(key as never) ? `none within ${timeText(when.inMs)}` : undefined,
      );
    }
  }

  function weighDisk(now: number): void {
    const concerned = rules().filter(({ on, when }) => on && when.is === 'disk');
    const left = concerned.length > 0 ? diskLeft() : undefined;
    if (left === undefined) return;
    for (const rule of concerned) {
      const { below, above, forMs } = rule.when as Extract<Condition, { is: 'disk' }>;
      const subject: Subject = { key: 'host', title: 'host' };
      // Less is worse here.
      const threshold = { above: -below, below: -above, forMs };
      standings.weigh(rule, subject, -left, now, threshold, () => `the disk for dumps has ${sizeText(left)} left`);
    }
  }

  /** What is about processes that are gone, or of rules that are no longer in force, is over. */
  function forgetTheGone(): void {
    const members = fleet.members();
    const pids = new Set(members.map(({ process: { pid } }) => pid));
    for (const pid of series.keys()) if (!pids.has(pid)) series.delete(pid);
    standstill.keep(pids);
    const there = new Set(members.map((member) => ofProcess(member).key));
    const inForce = new Set(rules().flatMap(({ name, on }) => (on ? [name] : [])));
    standings.end((rule, { member, key }) => {
      if (!inForce.has(rule)) return 'the rule is no longer in force';
      return member && !there.has(key) ? 'the process has ended' : undefined;
    });
  }
}

function isAbout({ apps }: Rule, app: OfApp): boolean {
  return apps.includes('*') || matches(app.name, apps) || matches(titleOf(app), apps);
}

function ofProcess(member: Member): Subject {
  const { process: listed } = member;
  const { namespace, name, pmId, pid } = listed;
  return { key: `${pmId} ${pid}`, title: `${titleOf(listed)}:${pmId}`, member, app: { namespace, name } };
}
