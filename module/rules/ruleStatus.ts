// How one rule stands, as `rules` shows it.
import type { Rule, RuleStatus } from '../../contract/rules.ts';
import type { Ledger } from './ledger.ts';
import type { Firing } from './standings.ts';
import { actionText, conditionText, limitText } from './words.ts';

/** @param firings of all rules */
export function statusOf(
  rule: Rule,
  firings: readonly Firing[],
  ledger: Pick<Ledger, 'ofRule' | 'limited'>,
  now: number,
): RuleStatus {
  const firing = firings
    .filter((each) => each.rule.name === rule.name)
    .map(({ subject, since }) => ({ subject: subject.title, since }));
  const limited = ledger.limited(rule, now);
  const fired = ledger.ofRule(rule.name);
  return {
    name: rule.name,
    builtIn: rule.builtIn,
    on: rule.on,
    severity: rule.severity,
    apps: rule.apps,
    when: conditionText(rule.when),
    do: rule.do.map(actionText),
    limit: limitText(rule.limit),
    state: !rule.on ? 'off' : firing.length > 0 ? 'firing' : limited.length > 0 ? 'limited' : 'armed',
    firing,
    fired: fired?.count ?? 0,
    ...(fired ? { lastFired: fired.last } : {}),
    limited,
  };
}
