// How every rule stands for every process, app, and the host.
import type { OfApp } from '../../contract/app.ts';
import type { Rule, Threshold } from '../../contract/rules.ts';
import type { Member } from '../fleet/fleet.ts';
import { judge, type Standing } from './conditions.ts';

/** What a rule fires about. */
export interface Subject {
  /** Tells one from another; a process that has restarted is another one. */
  key: string;
  /** As a person reads it: `web:3`, `web`, `host`. */
  title: string;
  member?: Member;
  app?: OfApp;
}

/** A rule fires about something. */
export interface Firing {
  rule: Rule;
  subject: Subject;
  /** By Date.now(). */
  since: number;
  /** What was found, with figures. */
  what: string;
}

export interface Standings {
  /** Takes in a value; @param what says it in words */
  weigh(rule: Rule, subject: Subject, value: number, at: number, threshold: Threshold, what: () => string): void;
  fires(rule: Rule, key: string): boolean;
  firing(): Firing[];
  /** Whatever it fires about and is not kept is over, for the reason that comes back. */
  end(whyOver: (rule: string, subject: Subject) => string | undefined): void;
}

interface Stands {
  rule: string;
  subject: Subject;
  standing: Standing;
  firing?: Firing;
}

export function createStandings(on: { begins(firing: Firing): void; isOver(firing: Firing): void }): Standings {
  const all = new Map<string, Stands>();
  const keyOf = (rule: string, key: string) => `${rule} ${key}`;

  return {
    weigh(rule, subject, value, at, threshold, what) {
      const key = keyOf(rule.name, subject.key);
      const known = all.get(key);
      const [standing, change] = judge(known?.standing ?? {}, value, at, threshold);
      const stands: Stands = { rule: rule.name, subject, standing };
      all.set(key, stands);
      if (change === 'begins') {
        stands.firing = { rule, subject, since: at, what: what() };
        on.begins(stands.firing);
      } else if (known?.firing && change === 'is-over') on.isOver({ ...known.firing, what: what() });
      else if (known?.firing) stands.firing = known.firing;
    },
    fires: (rule, key) => all.get(keyOf(rule.name, key))?.firing !== undefined,
    firing: () => [...all.values()].flatMap(({ firing }) => firing ?? []),
    end(whyOver) {
      for (const [key, { rule, subject, firing }] of all) {
        const why = whyOver(rule, subject);
        if (why === undefined) continue;
        all.delete(key);
        if (firing) on.isOver({ ...firing, what: why });
      }
    },
  };
}
