// Counts exits in sliding windows, by app.
import { type App, appOf } from '../../contract/app.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import type { Condition } from '../../contract/rules.ts';
import { timeText } from '../rulesFile/units.ts';

/** Causes that somebody has asked for, or that PM2 was configured to. */
const ASKED = new Set<string>(['cron', 'watch', 'restart', 'reload', 'stop', 'delete', 'daemon-ended']);
/** Exits that are remembered, of all apps together. */
const EXITS_KEPT = 5_000;

export type ExitCondition = Extract<Condition, { is: 'exit' | 'restarts' }>;
/** What is counted of an exit. */
type Exit = Pick<ExitRecord, 'id' | 'at' | 'cause' | 'asked' | 'namespace' | 'name' | 'headline'>;

export interface Exits {
  /** An exit is recorded twice: once more when what followed is known. @returns whether it is new */
  add(record: ExitRecord): boolean;
  /** The exits that count for a condition, oldest first, by app. */
  of(when: ExitCondition, now: number): Map<App, Exit[]>;
}

export function createExits(): Exits {
  const exits: Exit[] = [];
  return {
    add({ id, at, cause, asked, namespace, name, headline }) {
      if (exits.some((exit) => exit.id === id)) return false;
      exits.push({ id, at, cause, namespace, name, headline, ...(asked ? { asked } : {}) });
      if (exits.length > EXITS_KEPT) exits.shift();
      return true;
    },
    of(when, now) {
      const byApp = new Map<App, Exit[]>();
      for (const exit of exits) {
        if (exit.at <= now - when.inMs || !counts(when, exit)) continue;
        byApp.set(appOf(exit), [...(byApp.get(appOf(exit)) ?? []), exit]);
      }
      return byApp;
    },
  };
}

/** `ended 3 times within 10m, last: uncaught TypeError: …` */
export function exitsText(exits: readonly Exit[], { inMs }: ExitCondition): string {
  const times = exits.length === 1 ? 'ended' : `ended ${exits.length} times within ${timeText(inMs)}, last`;
  return `${times}: ${exits.at(-1)?.headline ?? ''}`;
}

function counts(when: ExitCondition, { cause, asked }: Exit): boolean {
  return when.is === 'exit' ? when.causes.includes(cause) : !ASKED.has(asked ?? cause);
}
