import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Incident } from '../../../contract/alerts.ts';
import { createEvents, subjectOf } from '../../../module/events/events.ts';
import { openRules } from '../../../module/rules/rules.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { exitRecord } from '../../support/exits.ts';
import { fleetOf, memberOf, sample } from './harness.ts';

describe('an alert of a rule', () => {
  const folder = tempFolder();
  const rule = { name: 'slow', when: { is: 'delay-p99', above: 100, for: '0s' }, severity: 'info' };
  const killed = { name: 'killed', when: { is: 'exit', causes: ['signal'] }, do: ['alert'] };
  writeFileSync(
    join(folder, 'rules.json'),
    JSON.stringify({
      rules: [killed, { ...rule, do: ['alert'] }, { ...rule, name: 'silent', do: ['report'] }],
    }),
  );
  const fleet = fleetOf({ id: 1, name: 'web' }, { id: 2, name: 'web' });
  const events = createEvents(assert.fail);
  const incidents: Incident[] = [];
  const asked: string[] = [];
  events.on('incident', ({ incident }) => void incidents.push(incident));
  const never = () => Promise.reject(new Error('not asked'));
  const rules = openRules({
    ...{ fleet, events, folder, settings: { include: ['*'], exclude: [] }, log: () => {} },
    ...{ reloading: () => false, dumping: () => false, isDumping: () => false, freshBeat: () => undefined },
    ...{ stackOf: never, reload: never, whyNotScaled: () => undefined },
    run: async (action, target) => {
      asked.push(`${action} ${target}`);
      return { ok: true, action, target, results: [] };
    },
  });
  after(rules.close);

  let at = Date.now();
  function figures(id: number, delayP99Ms: number): void {
    at += 1_000;
    const process = subjectOf(memberOf(fleet, id).process);
    events.emit('figures', { process, sample: sample({ at, delayP99Ms }), before: undefined });
  }

  it('says what is wrong, with figures, and where', () => {
    figures(1, 300);
    const [{ title, ...rest } = {} as Incident] = incidents;
    assert.equal(title, 'web:1: event loop delay p99 300ms');
    assert.deepEqual(
      { ...rest, details: [], at: 0 },
      {
        ...{ key: 'rule:slow:default:web', state: 'firing', severity: 'info', details: [], at: 0 },
        ...{ app: { namespace: 'default', name: 'web' }, process: { pmId: 1, pid: 100_000_001 } },
        next: 'pm2-ops rules',
      },
    );
  });

  it('is over when the last of the app’s processes is well', () => {
    figures(2, 300);
    figures(1, 10);
    assert.deepEqual(
      incidents.map(({ state }) => state),
      ['firing', 'firing'],
    );
    figures(2, 10);
    assert.deepEqual(
      incidents.map(({ state }) => state),
      ['firing', 'firing', 'resolved'],
    );
  });

  it('of an exit by one of its causes says which line to type', () => {
    const before = incidents.length;
    events.emit('exit-recorded', { record: exitRecord({ at: Date.now(), name: 'gone', cause: 'signal' }) });
    const [{ key, next, title } = {} as Incident] = incidents.splice(before);
    assert.deepEqual([key, next], ['rule:killed:default:gone', 'pm2-ops why gone']);
    assert.match(title, /^gone: ended: /);
  });

  it('is sent only by rules that say so; their evidence is taken of one process, by their limit', () => {
    assert.deepEqual([asked, incidents.length], [['report 1'], 3]);
    const silent = rules.status().rules.find(({ name }) => name === 'silent');
    assert.deepEqual([silent?.fired, silent?.state], [2, 'limited']);
  });
});
