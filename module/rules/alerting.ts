// Tells when a rule begins to fire about an app or the host, and when that is over, also where the module restarted in between.
import type { Incident } from '../../contract/alerts.ts';
import { titleOf } from '../../contract/app.ts';
import type { Rule } from '../../contract/rules.ts';
import { shellLine } from '../../shared/text/shell.ts';
import type { Events } from '../events/events.ts';
import type { KeptAlert } from './memory.ts';
import type { Firing } from './standings.ts';

/** What lasts is told again after this time, because an incident that nobody tells of for a day counts as over. */
const AGAIN_AFTER_MS = 6 * 3_600_000;
/** After a restart of the module, a rule has twice its own time and this to find again what it had found before. */
const GRACE_MS = 2 * 60_000;

export interface AlertingParts {
  events: Pick<Events, 'emit'>;
  rules(): readonly Rule[];
  firing(): Firing[];
  /** What is told and not over, by key; kept over restarts of the module. */
  kept: { get(): Map<string, KeptAlert>; save(): void };
  /** When the module has started, by Date.now(). */
  startedAt: number;
}

export interface Alerting {
  begins(firing: Firing, now: number): void;
  isOver(firing: Firing, now: number): void;
  /** Tells again what lasts, and what is over of before the module restarted. */
  look(now: number): void;
}

export function createAlerting({ events, rules, firing, kept, startedAt }: AlertingParts): Alerting {
  return {
    begins,
    isOver(over, now) {
      // The app's incident is over when the last of its processes is well.
      if (!alerts(over.rule) || firing().some((each) => keyOf(each) === keyOf(over))) return;
      kept.get().delete(keyOf(over));
      kept.save();
      emit(over, 'resolved', now);
    },
    look(now) {
      const firings = firing();
      for (const [key, { rule: name, toldAt, incident }] of kept.get()) {
        const lasting = firings.find((each) => keyOf(each) === key);
        if (lasting && now - toldAt >= AGAIN_AFTER_MS) begins(lasting, now);
        if (lasting || toldAt >= startedAt) continue;
        const rule = rules().find((each) => each.on && each.name === name);
        if (rule && now - startedAt < graceMsOf(rule)) continue;
        kept.get().delete(key);
        kept.save();
        const details = [rule ? 'not seen again since pm2-ops restarted' : 'the rule is no longer in force'];
        events.emit('incident', { incident: { ...incident, state: 'resolved', details, at: now } });
      }
    },
  };

  function begins(begun: Firing, now: number): void {
    if (!alerts(begun.rule)) return;
    const incident = emit(begun, 'firing', now);
    kept.get().set(incident.key, { rule: begun.rule.name, toldAt: now, incident });
    kept.save();
  }

  function emit(found: Firing, state: Incident['state'], now: number): Incident {
    const { rule, subject, what, since } = found;
    const { title, app, member } = subject;
    const incident: Incident = {
      key: keyOf(found),
      state,
      severity: rule.severity,
      title: `${title}: ${what}`,
      details: [`rule ${rule.name}`, `since ${new Date(since).toISOString()}`],
      at: now,
      ...(app ? { app: { namespace: app.namespace, name: app.name } } : {}),
      ...(member ? { process: { pmId: member.process.pmId, pid: member.process.pid } } : {}),
      next: app && !member ? shellLine('pm2-ops', 'why', titleOf(app)) : 'pm2-ops rules',
    };
    events.emit('incident', { incident });
    return incident;
  }
}

function alerts(rule: Rule): boolean {
  return rule.do.some(({ action }) => action === 'alert');
}

function keyOf({ rule, subject: { app } }: Firing): string {
  return ['rule', rule.name, ...(app ? [app.namespace, app.name] : [])].join(':');
}

function graceMsOf({ when }: Rule): number {
  return GRACE_MS + 2 * ('forMs' in when ? when.forMs : 0);
}
