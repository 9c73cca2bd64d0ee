import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Rule } from '../../../contract/rules.ts';
import { createEvents } from '../../../module/events/events.ts';
import { createAlerting } from '../../../module/rules/alerting.ts';
import { createLedger } from '../../../module/rules/ledger.ts';
import type { Firing } from '../../../module/rules/standings.ts';
import { tempFolder } from '../../../testkit/folders.ts';

const RULE: Rule = {
  ...{ name: 'r', builtIn: false, on: true, apps: ['*'], when: { is: 'blocked', forMs: 2_000 } },
  ...{ do: [{ action: 'alert' }], limit: { times: 1, inMs: 1 }, severity: 'warning' },
};
const FIRING: Firing = {
  rule: RULE,
  subject: { key: '1', title: 'web', app: { namespace: 'default', name: 'web' } },
  since: 1_000,
  what: 'it stands still',
};

/** A module that starts at that time. */
function startAt(startedAt: number, folder: string, rules = [RULE]) {
  const events = createEvents(assert.fail);
  const said: string[] = [];
  let firing: Firing[] = [];
  events.on('incident', ({ incident: { key, state, details } }) => void said.push(`${state} ${key} ${details[0]}`));
  const { alerts: kept } = createLedger(folder, assert.fail);
  const alerting = createAlerting({ events, kept, startedAt, rules: () => rules, firing: () => firing });
  return {
    alerting,
    said,
    fires(now: Firing[]) {
      firing = now;
    },
  };
}

describe('what a rule has told of', () => {
  it('is told again while it lasts, before it would count as over', () => {
    const { alerting, said, fires } = startAt(0, tempFolder());
    fires([FIRING]);
    alerting.begins(FIRING, 1_000);
    for (let hour = 1; hour <= 12; hour++) alerting.look(1_000 + hour * 3_600_000);
    assert.deepEqual(said, Array(3).fill('firing rule:r:default:web rule r'));
  });

  it('is over after a restart of the module if it is not found again, once the rule has had its time', () => {
    const folder = tempFolder();
    const first = startAt(0, folder);
    first.alerting.begins(FIRING, 1_000);
    const { alerting, said } = startAt(10_000, folder);
    alerting.look(10_000 + 120_000);
    assert.deepEqual(said, []);
    alerting.look(10_000 + 125_000);
    alerting.look(10_000 + 130_000);
    assert.deepEqual(said, ['resolved rule:r:default:web not seen again since pm2-ops restarted']);
  });

  it('goes on after a restart of the module if it is found again', () => {
    const folder = tempFolder();
    startAt(0, folder).alerting.begins(FIRING, 1_000);
    const { alerting, said, fires } = startAt(10_000, folder);
    fires([FIRING]);
    alerting.begins(FIRING, 12_000);
    alerting.look(10_000 + 600_000);
    fires([]);
    alerting.isOver(FIRING, 700_000);
    assert.deepEqual(said, ['firing rule:r:default:web rule r', 'resolved rule:r:default:web rule r']);
  });

  it('is over when its rule was taken out of the file while the module was away', () => {
    const folder = tempFolder();
    startAt(0, folder).alerting.begins(FIRING, 1_000);
    const { alerting, said } = startAt(10_000, folder, []);
    alerting.look(11_000);
    assert.deepEqual(said, ['resolved rule:r:default:web the rule is no longer in force']);
  });
});
