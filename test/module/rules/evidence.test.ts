import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Evidence, Rule, RuleAction } from '../../../contract/rules.ts';
import { createEvents, subjectOf } from '../../../module/events/events.ts';
import { createEvidenceTaker, type EvidenceParts } from '../../../module/rules/evidence.ts';
import { createPerform, type Outcome, type PerformParts } from '../../../module/rules/perform.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { fleetOf, type Given, memberOf } from './harness.ts';

const RULE: Rule = {
  ...{ name: 'r', builtIn: false, on: true, apps: ['*'], when: { is: 'blocked', forMs: 1 }, do: [] },
  ...{ limit: { times: 1, inMs: 1 }, severity: 'warning' },
};
const STACK: RuleAction = { action: 'stack' };

/** A taker whose actions last until the test ends them. */
function takerWith(apps: Given[], parts: Partial<EvidenceParts> = {}) {
  const fleet = fleetOf(...apps);
  const events = createEvents(() => {});
  const running: { id: unknown; end(outcome?: Outcome): Promise<void> }[] = [];
  const taken: Evidence[] = [];
  let times: number[] = [];
  const later: (() => void)[] = [];
  const taker = createEvidenceTaker({
    ...{ fleet, events, host: () => ({ atOnce: 2, times: 100, inMs: 1_000 }), reloading: () => false },
    ...{
      dumping: () => false,
      now: () => 1e6,
      later: (_ms, call) => void later.push(call),
      taken: (evidence) => taken.push(evidence),
    },
    hostTimes: {
      get: () => times,
      set(next) {
        times = next;
      },
    },
    perform: (_action, { process: { pmId } }) =>
      new Promise<Outcome>((resolve) => {
        const end = async (outcome: Outcome = { ok: true, what: 'done' }) => {
          running.splice(
            running.findIndex(({ id }) => id === pmId),
            1,
          );
          resolve(outcome);
          await new Promise((soon) => setImmediate(soon));
        };
        running.push({ id: pmId, end });
      }),
    ...parts,
  });
  const take = (id: number, isStill = () => true, action = STACK) =>
    taker.take(RULE, action, memberOf(fleet, id), isStill);
  return { take, fleet, events, running, taken, later, ids: () => running.map(({ id }) => id) };
}

describe('evidence that rules take', () => {
  it('of ten apps at once is taken of as many at a time as the host’s limit says, and of all in the end', async () => {
    const apps = Array.from({ length: 10 }, (_, id) => ({ id, name: `app-${id}` }));
    const { take, running, taken } = takerWith(apps);
    for (const { id } of apps) take(id);
    for (let done = 0; done < 10; done++) {
      assert.equal(running.length, Math.min(2, 10 - done));
      await running[0]?.end();
    }
    assert.deepEqual(
      taken.map(({ pmId }) => pmId),
      apps.map(({ id }) => id),
    );
  });

  it('of one app is taken one after the other, while another app has its turn', async () => {
    const { take, running, ids } = takerWith([
      { id: 1, name: 'web' },
      { id: 2, name: 'web' },
      { id: 3, name: 'api' },
    ]);
    for (const id of [1, 2, 3]) take(id);
    assert.deepEqual(ids(), [1, 3]);
    await running[0]?.end();
    assert.deepEqual(ids(), [3, 2]);
  });

  it('of a process that stands still does not wait for a long action of a sibling', async () => {
    const { take, ids, running } = takerWith([
      { id: 1, name: 'web' },
      { id: 2, name: 'web' },
    ]);
    take(1, () => true, { action: 'cpu-profile', seconds: 60 });
    take(2);
    take(1);
    assert.deepEqual(ids(), [1, 2]);
    await running[1]?.end();
    await running[0]?.end();
    assert.deepEqual(ids(), [1]);
  });

  it('is none where the host’s limit in a window is reached, and that is told', async () => {
    const host = () => ({ atOnce: 2, times: 1, inMs: 60_000 });
    const { take, running, taken } = takerWith(
      [
        { id: 1, name: 'web' },
        { id: 2, name: 'api' },
      ],
      { host },
    );
    take(1);
    await running[0]?.end();
    take(2);
    assert.deepEqual(
      taken.map(({ ok, code }) => [ok, code]),
      [
        [true, undefined],
        [false, 'E_BUSY'],
      ],
    );
    assert.match(taken[1]?.what ?? '', /the host's limit of 1 actions/);
  });

  const reasons: [when: string, parts: Partial<EvidenceParts>, what: RegExp][] = [
    ['a reload of the app runs', { reloading: () => true }, /a reload of the app runs/],
    ['an instance of the app dumps its heap', { dumping: () => true }, /writes a heap dump/],
  ];
  for (const [when, parts, what] of reasons) {
    it(`is none while ${when}`, () => {
      const { take, taken, running } = takerWith([{ id: 1, name: 'web' }], parts);
      take(1);
      assert.equal(running.length, 0);
      assert.match(taken[0]?.what ?? '', what);
      assert.equal(taken[0]?.code, 'E_BUSY');
    });
  }

  it('is none while a person’s action runs there, and is taken after it', () => {
    const { take, taken, fleet, events, ids } = takerWith([{ id: 1, name: 'web' }]);
    const subject = subjectOf(memberOf(fleet, 1).process);
    events.emit('action-started', { process: subject, action: 'cpu-profile' });
    take(1);
    assert.match(taken[0]?.what ?? '', /^another action runs there; again in 5 minutes$/);
    const reply = { ok: true, action: 'cpu-profile', pid: 1, ms: 1 } as const;
    events.emit('action-finished', { process: subject, action: 'cpu-profile', reply, ms: 1 });
    take(1);
    assert.deepEqual(ids(), [1]);
  });

  it('that was refused is tried again twice, while there is still a reason, and not in a storm', () => {
    let busy = true;
    let isStill = true;
    const { take, taken, later, ids } = takerWith([{ id: 1, name: 'web' }], { reloading: () => busy });
    const again = () => later.shift()?.();
    take(1, () => isStill);
    again();
    again();
    assert.deepEqual([taken.length, later.length], [3, 0]);
    take(1, () => isStill);
    busy = false;
    again();
    assert.deepEqual(ids(), [1]);
    busy = true;
    const other = takerWith([{ id: 1, name: 'web' }], { reloading: () => busy });
    other.take(1, () => isStill);
    isStill = false;
    other.later.shift()?.();
    assert.deepEqual([other.taken.length, other.later.length], [1, 0]);
  });

  it('is none of a process that has restarted, exits, is being attached, or is well again', () => {
    const { take, taken, fleet } = takerWith([
      { id: 1, name: 'a' },
      { id: 2, name: 'b' },
      { id: 3, name: 'c' },
    ]);
    memberOf(fleet, 1).exits = true;
    memberOf(fleet, 2).attachment = { is: 'waiting', code: 'new', reason: 'just seen' };
    take(1);
    take(2);
    take(3, () => false);
    assert.deepEqual(
      taken.map(({ what }) => what),
      ['it starts or exits just now', 'pm2-ops is not attached to it', 'it was over before its turn came'],
    );
  });

  it('that waited too long in a crowd is not taken of another process under the same id', async () => {
    const { take, taken, fleet, running, ids } = takerWith([
      { id: 1, name: 'web' },
      { id: 2, name: 'web' },
    ]);
    take(1);
    take(2);
    fleet.setApps([
      { id: 1, name: 'web' },
      { id: 2, name: 'web', pid: 100_000_999 },
    ]);
    await running[0]?.end();
    assert.deepEqual(ids(), []);
    assert.equal(taken.at(-1)?.what, 'the process has ended meanwhile');
  });
});

describe('an action of a rule', () => {
  const asked: unknown[] = [];
  const perform = (apps: Given[], parts: Partial<PerformParts> = {}) => {
    const fleet = fleetOf(...apps);
    asked.length = 0;
    const run: PerformParts['run'] = async (action, target, params) => {
      asked.push([action, target, params]);
      const reply = { ok: true, action, pid: 1, ms: 1, file: '/x/y', drained: true } as const;
      return { ok: true, action, target, results: [{ id: 1, name: 'web', pid: 1, reply }] };
    };
    const never = () => Promise.reject(new Error('not asked'));
    const done = createPerform({
      ...{
        fleet,
        folder: tempFolder(),
        run,
        stackOf: never,
        reload: never,
        heapUsedBytes: () => 0,
        whyNotScaled: () => undefined,
      },
      ...parts,
    });
    return (action: RuleAction) => done(action, memberOf(fleet, 1));
  };
  const DUMP = { action: 'heapdump', gzip: false, scale: false, inPlace: false } as const;

  it('a heap dump is made where a sibling serves the same addresses meanwhile', async () => {
    const at = ['0.0.0.0:80'];
    const outcome = await perform([
      { id: 1, name: 'web', at },
      { id: 2, name: 'web', at },
    ])(DUMP);
    assert.deepEqual(outcome, { ok: true, what: 'drained, dumped, and serves again', file: '/x/y' });
    assert.deepEqual(asked, [['heapdump', '1', { gzip: false, scale: false }]]);
  });

  it('a heap dump is not made where clients would wait, unless the rule says so', async () => {
    const at = ['0.0.0.0:80'];
    const cases: Given[][] = [
      [{ id: 1, name: 'web', at }],
      [
        { id: 1, name: 'web', at },
        { id: 2, name: 'web', at, state: 'drained' },
      ],
      [
        { id: 1, name: 'web', at },
        { id: 2, name: 'web', at: ['0.0.0.0:81'] },
      ],
      [{ id: 1, name: 'web' }],
    ];
    for (const apps of cases) {
      const outcome = await perform(apps)(DUMP);
      assert.deepEqual([outcome.ok, outcome.code, asked], [false, 'E_LAST', []]);
    }
    assert.equal((await perform([{ id: 1, name: 'web', at }])({ ...DUMP, inPlace: true })).ok, true);
  });

  it('a heap dump with scale is made only where an instance can be added, and for addresses that need one', async () => {
    const at = ['0.0.0.0:80'];
    const scaled = { ...DUMP, scale: true };
    assert.equal((await perform([{ id: 1, name: 'web', at }])(scaled)).ok, true);
    const outcome = await perform([{ id: 1, name: 'web', at }], { whyNotScaled: () => 'it runs in fork mode' })(scaled);
    assert.deepEqual([outcome.ok, asked], [false, []]);
    assert.match(outcome.what, /none can be added \(it runs in fork mode\)/);
    assert.equal((await perform([{ id: 1, name: 'worker' }])(scaled)).ok, false);
  });

  it('a leak report is not made of a heap whose collections would stop the app for long', async () => {
    const report = { action: 'leak-report', seconds: 60, largestHeapBytes: 200 * 2 ** 20 } as const;
    const outcome = await perform([{ id: 1, name: 'web' }], { heapUsedBytes: () => 300 * 2 ** 20 })(report);
    assert.deepEqual([outcome.ok, outcome.code, asked], [false, 'E_MEMORY', []]);
    assert.match(outcome.what, /its heap of 300MB is larger than 200MB/);
  });

  it('that is refused tells why, and one that fails in the module itself, too', async () => {
    const failure = {
      ok: false,
      action: 'report',
      code: 'E_DISK',
      message: 'no space, token=abcdef',
      hint: '',
    } as const;
    const refused = await perform([{ id: 1, name: 'web' }], { run: async () => failure })({ action: 'report' });
    assert.deepEqual(refused, { ok: false, code: 'E_DISK', what: 'no space, token=[redacted]' });
    const broken = await perform([{ id: 1, name: 'web' }])(STACK);
    assert.deepEqual(broken, { ok: false, code: 'E_INTERNAL', what: 'not asked' });
  });
});
