// Keeps the books of the rules: who has fired when, whose limit is reached, and what evidence there is, over restarts of the module.
import type { Evidence, Rule } from '../../contract/rules.ts';
import { forgetOld, limitedUntil } from './limits.ts';
import { EVIDENCE_KEPT, type KeptAlert, recall, remember, windowOf } from './memory.ts';

/** Rules times apps whose windows are kept. */
const WINDOWS_KEPT = 2_000;

export interface Ledger {
  fired(rule: string, now: number): void;
  ofRule(rule: string): { count: number; last: number } | undefined;
  /**
   * A rule is about to take evidence of an app.
   * @returns undefined if it may, which then counts; else until when its limit is reached
   */
  takes(rule: Rule, app: string, now: number): number | undefined;
  /** The apps of which a rule takes no evidence now. */
  limited(rule: Rule, now: number): { app: string; until: number }[];
  keep(evidence: Evidence): void;
  /** Oldest first. */
  evidence(): Evidence[];
  hostTimes: { get(): number[]; set(times: number[]): void };
  /** Alerts that are told and not over. */
  alerts: { get(): Map<string, KeptAlert>; save(): void };
}

/**
 * @param folder the state folder
 * @param log gets a line, once, when the disk takes no note of it
 */
export function createLedger(folder: string, log: (line: string) => void): Ledger {
  const memory = recall(folder);
  let isComplaining = false;

  return {
    fired(rule, now) {
      memory.fired.set(rule, { count: (memory.fired.get(rule)?.count ?? 0) + 1, last: now });
      write();
    },
    ofRule: (rule) => memory.fired.get(rule),
    takes(rule, app, now) {
      const key = windowOf(rule.name, app);
      const times = memory.windows[key] ?? [];
      const until = limitedUntil(times, now, rule.limit);
      if (until !== undefined) return until;
      // The window last used comes last.
      delete memory.windows[key];
      memory.windows[key] = [...forgetOld(times, now, rule.limit), now];
      const surplus = Object.keys(memory.windows).slice(0, -WINDOWS_KEPT);
      for (const old of surplus) delete memory.windows[old];
      write();
      return undefined;
    },
    limited: (rule, now) =>
      Object.entries(memory.windows).flatMap(([key, times]) => {
        const [name, app] = JSON.parse(key) as [string, string];
        const until = name === rule.name ? limitedUntil(times, now, rule.limit) : undefined;
        return until === undefined ? [] : [{ app, until }];
      }),
    keep(evidence) {
      memory.evidence = [...memory.evidence, evidence].slice(-EVIDENCE_KEPT);
      write();
    },
    evidence: () => memory.evidence,
    alerts: { get: () => memory.alerts, save: write },
    hostTimes: {
      get: () => memory.host,
      set(times) {
        memory.host = times;
        write();
      },
    },
  };

  function write(): void {
    try {
      remember(folder, memory);
      isComplaining = false;
    } catch (error) {
      if (!isComplaining) log(`the rules cannot note what they did: ${(error as Error).message}`);
      isComplaining = true;
    }
  }
}
