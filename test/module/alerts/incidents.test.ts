import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Incident } from '../../../contract/alerts.ts';
import type { ExitRecord } from '../../../contract/exits.ts';
import { type AppStanding, createIncidents, type SavedIncidents } from '../../../module/alerts/incidents.ts';
import { exitAt } from './records.ts';

const TIMES = { waitMs: 5_000, quietMs: 300_000, staleMs: 86_400_000, repeatMs: 3_600_000 };

function begin(before?: SavedIncidents, least: Incident['severity'] | undefined = 'warning') {
  const incidents = createIncidents(TIMES, least, before);
  let standing: AppStanding = 'up';
  return {
    ...incidents,
    stands(as: AppStanding) {
      standing = as;
    },
    exits: (...records: ExitRecord[]) => records.forEach(incidents.exited),
    /** What is told at that time, in a few words. */
    told: (now: number) =>
      incidents
        .due(now, () => standing)
        .map(({ state, severity, count, title }) => `${state} ${severity} ${count} ${title.replace(/ at .*/, '')}`),
  };
}

const found = (at: number, given: Partial<Incident> = {}): Incident => ({
  ...{
    key: 'rule:blocked:default:web',
    state: 'firing',
    severity: 'warning',
    title: 'web is blocked',
    details: [],
    at,
  },
  ...given,
});

describe('incidents', () => {
  it('a crash loop is told once, with how often, and once more when the app has been up for a while', () => {
    const { exits, told } = begin();
    exits(exitAt(0), exitAt(1_000), exitAt(2_000));
    assert.deepEqual(told(4_999), []);
    assert.deepEqual(told(5_000), ['firing warning 3 web (id 3): uncaught Error: boom']);
    exits(exitAt(6_000), exitAt(7_000));
    assert.deepEqual(told(306_999), []);
    assert.deepEqual(told(307_000), ['resolved warning 5 web (id 3): uncaught Error: boom']);
    assert.deepEqual(told(10_000_000), []);
  });

  it('an exit whose record comes twice is counted once, also by the next module', () => {
    const first = begin();
    first.exits(exitAt(0), exitAt(0, { followed: { is: 'started', pid: 1, afterMs: 100 } }));
    const next = begin(JSON.parse(JSON.stringify(first.saved())) as SavedIncidents);
    next.exits(exitAt(0, { followed: { is: 'started', pid: 1, afterMs: 100 } }));
    assert.deepEqual(next.told(5_000), ['firing warning 1 web (id 3): uncaught Error: boom']);
  });

  it('an app that PM2 gives up is told at once as critical, also when its crashes were told before', () => {
    const { exits, told } = begin();
    exits(exitAt(0));
    assert.equal(told(5_000).length, 1);
    exits(exitAt(6_000, { followed: { is: 'gave-up', restarts: 16 } }));
    assert.deepEqual(told(6_000), ['firing critical 2 web (id 3): uncaught Error: boom']);
  });

  it('an incident that lasts is told again after the repeat time, and over restarts of the module', () => {
    const first = begin();
    first.stands('down');
    first.exits(exitAt(0, { followed: { is: 'gave-up', restarts: 16 } }));
    assert.equal(first.told(0).length, 1);
    assert.deepEqual(first.told(TIMES.repeatMs - 1), []);
    const next = begin(first.saved());
    next.stands('down');
    assert.deepEqual(next.told(TIMES.repeatMs - 1), []);
    assert.equal(next.told(TIMES.repeatMs).length, 1);
    next.stands('up');
    assert.deepEqual(next.told(TIMES.repeatMs + TIMES.quietMs), [
      'resolved critical 1 web (id 3): uncaught Error: boom',
    ]);
  });

  it('an incident that nobody was told of is told before it is over, however late the next module comes', () => {
    const first = begin();
    first.exits(exitAt(0));
    const next = begin(first.saved());
    assert.deepEqual(next.told(2 * TIMES.quietMs), ['firing warning 1 web (id 3): uncaught Error: boom']);
    assert.deepEqual(next.told(2 * TIMES.quietMs), ['resolved warning 1 web (id 3): uncaught Error: boom']);
  });

  it('exits are over neither while the app is down nor while PM2 itself has left it stopped', () => {
    for (const [standing, followed, isOver] of [
      ['down', { is: 'started', pid: 1, afterMs: 1 }, false],
      ['stopped', { is: 'no-autorestart' }, false],
      ['stopped', { is: 'stop-exit-code', code: 0 }, false],
      ['stopped', { is: 'started', pid: 1, afterMs: 1 }, true],
      ['gone', { is: 'started', pid: 1, afterMs: 1 }, true],
    ] as const) {
      const { exits, told, stands } = begin();
      exits(exitAt(0, { followed }));
      told(5_000);
      stands(standing);
      assert.equal(told(TIMES.quietMs).length, isOver ? 1 : 0, `${standing} ${followed.is}`);
    }
  });

  it('nobody hears of what somebody asked for, of a job that is done, or of an exit that turns out to be one of these', () => {
    const quiet: Partial<ExitRecord>[] = [
      ...(['restart', 'reload', 'stop', 'delete', 'cron', 'watch', 'daemon-ended', 'ran-dry', 'unknown'] as const).map(
        (cause) => ({ cause }),
      ),
      { cause: 'exit-call', code: 0 },
      { cause: 'exit-call', code: null },
      { cause: 'exit-call', code: 3, followed: { is: 'stop-exit-code', code: 3 } },
    ];
    for (const given of quiet) {
      const { exits, told } = begin();
      exits(exitAt(0, given));
      assert.deepEqual(told(60_000), [], JSON.stringify(given));
    }
    const { exits, told } = begin();
    exits(exitAt(0, { cause: 'exit-call', code: 3 }));
    exits(exitAt(0, { cause: 'exit-call', code: 3, followed: { is: 'stop-exit-code', code: 3 } }));
    exits(exitAt(1, { cause: 'signal' }), exitAt(1, { cause: 'restart' }));
    assert.deepEqual(told(60_000), []);
  });

  it('everybody hears of what the app or the outside caused, each app and cause by itself', () => {
    const { exits, told } = begin();
    const causes = [
      ...(['uncaught-exception', 'signal', 'kernel-out-of-memory'] as const),
      ...(['heap-out-of-memory', 'kill-timeout', 'memory-limit', 'exit-call'] as const),
    ];
    for (const [at, cause] of causes.entries()) exits(exitAt(at, { cause, headline: cause, code: 7 }));
    exits(exitAt(100, { namespace: 'blue' }));
    assert.deepEqual(
      told(6_000),
      [...causes.map((cause) => `web (id 3): ${cause}`), 'blue:web (id 3): uncaught Error: boom'].map(
        (title) => `firing warning 1 ${title}`,
      ),
    );
    const other = begin();
    other.exits(exitAt(0, { cause: 'ran-dry', headline: 'ran dry', followed: { is: 'gave-up', restarts: 16 } }));
    assert.deepEqual(other.told(0), ['firing critical 1 web (id 3): ran dry; it is down']);
  });

  it('an exception that PM2 takes for the end of a job is critical: nothing starts the app again', () => {
    const { exits, told } = begin();
    exits(exitAt(0, { code: null, followed: { is: 'stop-exit-code', code: 0 } }));
    assert.match(String(told(0)), /^firing critical/);
  });

  it('what a rule finds is told at once, counted under its key, and told as over when the rule says so', () => {
    const incidents = begin();
    incidents.found(found(0));
    assert.deepEqual(incidents.told(0), ['firing warning 1 web is blocked']);
    incidents.found(found(1_000));
    assert.deepEqual(incidents.told(1_000), []);
    incidents.found(found(2_000, { state: 'resolved', title: 'web answers again' }));
    assert.deepEqual(incidents.told(2_000), ['resolved warning 2 web answers again']);
    incidents.found(found(3_000, { state: 'resolved' }));
    assert.deepEqual(incidents.told(3_000), []);
  });

  it('a crash loop that is told already is not told once more by the rule that finds crash loops', () => {
    const loop = { key: 'rule:crash-loop:default:web', app: { namespace: 'default', name: 'web' } };
    const incidents = begin();
    incidents.exits(exitAt(0));
    incidents.told(5_000);
    incidents.found(found(6_000, { ...loop, severity: 'critical' }));
    assert.deepEqual(incidents.told(6_000), []);
    incidents.found(found(8_000, { ...loop, state: 'resolved' }));
    assert.deepEqual(incidents.told(8_000), []);
    const strict = begin(undefined, 'critical');
    strict.exits(exitAt(0));
    strict.found(found(1, { ...loop, severity: 'critical' }));
    assert.deepEqual(strict.told(6_000), ['firing critical 1 web is blocked']);
  });

  it('what a rule has found and nobody has told of for a day counts as over', () => {
    const incidents = begin();
    incidents.found(found(0));
    incidents.told(0);
    assert.match(String(incidents.told(TIMES.staleMs)), /^resolved/);
  });

  it('what is less severe than alert_severity is not told, nor is its end, but it is told when it gets worse', () => {
    const incidents = begin(undefined, 'critical');
    incidents.found(found(0));
    assert.deepEqual(incidents.told(0), []);
    assert.equal(incidents.open().length, 1);
    incidents.found(found(1, { severity: 'critical' }));
    assert.deepEqual(incidents.told(1), ['firing critical 2 web is blocked']);
    incidents.found(found(2, { key: 'another' }));
    incidents.found(found(3, { key: 'another', state: 'resolved' }));
    assert.deepEqual(incidents.told(3), []);
  });

  it('while alerts are off, incidents are open and end, and those still open are told when alerts are on', () => {
    const off = createIncidents(TIMES, undefined);
    off.exited(exitAt(0));
    off.exited(exitAt(0, { id: 'other', name: 'api' }));
    off.exited(exitAt(200_000));
    assert.deepEqual(
      off.due(TIMES.quietMs, () => 'up'),
      [],
    );
    assert.equal(off.open().length, 1);
    assert.equal(begin(off.saved()).told(TIMES.quietMs).length, 1);
  });

  it('tells no secret and no control character, and no more than a person reads', () => {
    const incidents = createIncidents(TIMES, 'info');
    const secret = 'DB_PASSWORD=correct-horse';
    incidents.found(
      found(0, {
        title: `${secret} \u001b[31m\n${'x'.repeat(1_000)}`,
        details: [...Array.from({ length: 30 }, () => `${secret}\u202e`), 'x'],
        next: `pm2-ops why web --token abcdefghijk`,
      }),
    );
    const [told] = incidents.due(0, () => 'up');
    const text = JSON.stringify([told, incidents.saved()]);
    assert.doesNotMatch(text, /correct-horse|abcdefghijk|\p{Cf}|\p{Cc}/u);
    assert.doesNotMatch(told?.title ?? '', /\n/);
    assert.ok((told?.title.length ?? 0) <= 300 && (told?.details.length ?? 0) <= 12);
  });

  it('keeps a bounded number of incidents and of exits that it has counted', () => {
    const incidents = createIncidents(TIMES, 'info');
    for (let at = 0; at < 1_200; at++) incidents.exited(exitAt(at, { name: `app-${at}` }));
    const { open, counted } = incidents.saved();
    assert.deepEqual([open.length, counted.length], [500, 500]);
  });
});
