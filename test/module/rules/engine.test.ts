import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ExitRecord } from '../../../contract/exits.ts';
import type { Rule } from '../../../contract/rules.ts';
import { createEngine, type EngineParts } from '../../../module/rules/engine.ts';
import { createStandstill } from '../../../module/rules/standstill.ts';
import { fleetOf, type Given, memberOf, sample } from './harness.ts';

function rule(given: Partial<Rule> & Pick<Rule, 'when'>): Rule {
  return {
    ...{ name: 'r', builtIn: false, on: true, apps: ['*'], do: [{ action: 'alert' }] as Rule['do'] },
    ...{ limit: { times: 1, inMs: 1_000 }, severity: 'warning' as const },
    ...given,
  };
}

/** An engine whose processes are all found blocked when their figures are late. */
function engineWith(rules: Rule[], apps: Given[], parts: Partial<EngineParts> = {}) {
  const fleet = fleetOf(...apps);
  const said: string[] = [];
  const engine = createEngine({
    ...{ fleet, rules: () => rules, standstill: createStandstill(() => ['blocked', 1]) },
    ...{ isDumping: () => false, beatOf: () => undefined, isLeftAlone: () => false, diskLeft: () => undefined },
    begins: ({ rule: { name }, subject, what }) => said.push(`${name} ${subject.title}: ${what}`),
    isOver: ({ rule: { name }, subject, what }) => said.push(`over: ${name} ${subject.title}: ${what}`),
    ...parts,
  });
  return { engine, fleet, said, rules };
}

const SLOW = rule({ when: { is: 'delay-p99', above: 200, below: 100, forMs: 2_000 } });
const BLOCKED = rule({ name: 'b', when: { is: 'blocked', forMs: 2_000 } });

function exit(at: number, given: Partial<ExitRecord>): ExitRecord {
  return {
    ...{ id: `${at}`, at, pmId: 1, name: 'web', namespace: 'default', mode: 'fork', pid: 1, startedAt: 0, uptimeMs: 1 },
    ...{ restarts: 0, cause: 'uncaught-exception', certainty: 'sure', by: { who: 'itself' }, headline: 'it broke' },
    ...{ evidence: [], code: 1, signal: null, stdout: [], stderr: [], figures: [], missing: [] },
    ...given,
  };
}

describe('the rules at work', () => {
  it('a figure above its bound for its time fires once, for that process, and is over when it is well', () => {
    const { engine, said } = engineWith(
      [SLOW],
      [
        { id: 1, name: 'web' },
        { id: 2, name: 'web' },
      ],
    );
    for (let at = 0; at <= 5_000; at += 1_000) {
      engine.figures(1, sample({ at: 1e6 + at, delayP99Ms: 350 }));
      engine.figures(2, sample({ at: 1e6 + at, delayP99Ms: 20 }));
    }
    engine.figures(1, sample({ at: 1e6 + 6_000, delayP99Ms: 150 }));
    assert.deepEqual(said, ['r web:1: event loop delay p99 350ms']);
    engine.figures(1, sample({ at: 1e6 + 7_000, delayP99Ms: 50 }));
    assert.deepEqual(said.slice(1), ['over: r web:1: event loop delay p99 50ms']);
  });

  it('a rule is about the apps that it names, in whichever namespace they are, and only while it is on', () => {
    const rules = [
      rule({ ...SLOW, name: 'named', apps: ['api-*'] }),
      rule({ ...SLOW, name: 'off', on: false }),
      rule({ ...SLOW, name: 'all' }),
    ];
    const { engine, said } = engineWith(rules, [
      { id: 1, name: 'web' },
      { id: 2, name: 'api-v2' },
    ]);
    for (let at = 0; at <= 2_000; at += 1_000) {
      for (const id of [1, 2]) engine.figures(id, sample({ at: 1e6 + at, delayP99Ms: 350 }));
    }
    assert.deepEqual(said.map((line) => line.split(':')[0]).sort(), ['all api-v2', 'all web', 'named api-v2']);
  });

  it('a process that is not attached, or left alone by the settings, is not judged', () => {
    const { engine, fleet, said } = engineWith([SLOW], [{ id: 1, name: 'web' }]);
    memberOf(fleet, 1).attachment = { is: 'skipped', code: 'excluded', reason: 'by the settings' };
    for (let at = 0; at <= 3_000; at += 1_000) engine.figures(1, sample({ at: 1e6 + at, delayP99Ms: 350 }));
    assert.deepEqual(said, []);
  });

  it('a process whose figures are late is blocked; one that dumps its heap is not', () => {
    let dumps = true;
    const { engine, said } = engineWith([BLOCKED], [{ id: 1, name: 'web' }], {
      beatOf: () => ({ at: 1e6, nextWithinMs: 1_000 }),
      isDumping: () => dumps,
    });
    for (let at = 2_000; at <= 5_000; at += 1_000) engine.tick(1e6 + at);
    assert.deepEqual(said, []);
    dumps = false;
    engine.tick(1e6 + 6_000);
    engine.tick(1e6 + 7_000);
    assert.deepEqual(said, ['b web:1: its event loop has not turned for 5s']);
  });

  it('what a process fired for is over when it has ended, or when the rule is gone', () => {
    const late = { beatOf: () => ({ at: 1e6, nextWithinMs: 1_000 }) };
    const { engine, fleet, said, rules } = engineWith([BLOCKED], [{ id: 1, name: 'web' }], late);
    for (let at = 2_000; at <= 5_000; at += 1_000) engine.tick(1e6 + at);
    fleet.setApps([{ id: 1, name: 'web', pid: 100_000_777 }]);
    engine.tick(1e6 + 6_000);
    assert.equal(said.at(-1), 'over: b web:1: the process has ended');
    for (let at = 7_000; at <= 10_000; at += 1_000) engine.tick(1e6 + at);
    rules.length = 0;
    engine.tick(1e6 + 11_000);
    assert.equal(said.at(-1), 'over: b web:1: the rule is no longer in force');
    assert.deepEqual(engine.firing(), []);
  });

  it('an exit by one of the causes fires, once though it is recorded twice, and is over after its window', () => {
    const when = { is: 'exit', causes: ['uncaught-exception'], times: 1, inMs: 60_000 } as const;
    const { engine, said } = engineWith([rule({ when: { ...when, causes: [...when.causes] } })], []);
    engine.exited(exit(1e6, { cause: 'signal' }));
    engine.exited(exit(1e6 + 1_000, {}));
    engine.exited(exit(1e6 + 1_000, { followed: { is: 'stopped' } }));
    assert.deepEqual(said, ['r web: ended: it broke']);
    engine.tick(1e6 + 60_000);
    assert.equal(said.length, 1);
    engine.tick(1e6 + 62_000);
    assert.deepEqual(said.slice(1), ['over: r web: none within 1m']);
  });

  it('restarts in a window count what nobody asked for, by app', () => {
    const { engine, said } = engineWith([rule({ when: { is: 'restarts', times: 3, inMs: 60_000 } })], []);
    for (const cause of ['restart', 'reload', 'stop', 'cron', 'watch'] as const)
      engine.exited(exit(1e6, { id: cause, cause }));
    engine.exited(exit(1e6 + 1, { cause: 'kill-timeout', asked: 'restart' }));
    engine.exited(exit(1e6 + 2, { cause: 'memory-limit' }));
    engine.exited(exit(1e6 + 3, {}));
    engine.exited(exit(1e6 + 3, { followed: { is: 'stopped' } }));
    engine.exited(exit(1e6 + 4, { name: 'api' }));
    assert.deepEqual(said, []);
    engine.exited(exit(1e6 + 5, { cause: 'signal', headline: 'SIGKILL from outside' }));
    assert.deepEqual(said, ['r web: ended 3 times within 1m, last: SIGKILL from outside']);
  });

  it('an exit of an app that the settings leave alone is not judged', () => {
    const when = { is: 'restarts', times: 1, inMs: 60_000 } as const;
    const { engine, said } = engineWith([rule({ when })], [], { isLeftAlone: () => true });
    engine.exited(exit(1e6, {}));
    assert.deepEqual(said, []);
  });

  it('a disk that runs full fires for the host, and is over with some room', () => {
    let left = 400;
    const when = { is: 'disk', below: 500, above: 600, forMs: 1_000 } as const;
    const { engine, said } = engineWith([rule({ when })], [], { diskLeft: () => left });
    engine.tick(1e6);
    engine.tick(1e6 + 1_000);
    left = 550;
    engine.tick(1e6 + 2_000);
    assert.deepEqual(
      said.map((line) => line.split(':')[0]),
      ['r host'],
    );
    left = 601;
    engine.tick(1e6 + 3_000);
    assert.equal(said.length, 2);
  });
});
