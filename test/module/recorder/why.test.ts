import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { ExitRecord, WhyReply } from '../../../contract/exits.ts';
import { createFleet } from '../../../module/fleet/fleet.ts';
import type { ManagedProcess } from '../../../module/pm2/managedProcess.ts';
import { type ExitStore, openExitStore } from '../../../module/recorder/store.ts';
import { answerWhy } from '../../../module/recorder/why.ts';
import { releaseFolder, tempFolder } from '../../../testkit/folders.ts';
import { exitRecord, sample } from '../../support/exits.ts';
import { listed } from '../../support/listed.ts';

describe('why', () => {
  let folder: string;
  let exits: ExitStore;
  beforeEach(() => {
    folder = tempFolder();
    exits = openExitStore({ folder, maxBytes: 2 ** 26, log: assert.fail });
  });
  afterEach(() => releaseFolder(folder));

  const fleetOf = (...processes: ManagedProcess[]) => {
    const fleet = createFleet(() => true);
    fleet.sync(processes);
    return fleet;
  };
  const ask = (fleet: ReturnType<typeof fleetOf>, target: string, last?: number): WhyReply => {
    const reply = answerWhy({ fleet, exits }, { target, ...(last === undefined ? {} : { last }) }, 20);
    assert.ok(reply.ok, JSON.stringify(reply));
    return reply;
  };
  const idsOf = (reply: WhyReply) => reply.exits.map(({ id }) => id);
  /** What is to be done about an exit of `web`, which PM2 manages. */
  const nextOf = (given: Partial<ExitRecord>, about: Partial<ManagedProcess> = {}) => {
    exits.put(exitRecord(given));
    return ask(fleetOf(listed({ pmId: 0, name: 'web', ...about })), 'web', 1).next;
  };

  it('means apps and processes by every word for them, also those that are gone', () => {
    const [web0, web1, blue, gone, goneId] = [
      exitRecord({ at: 1 }),
      exitRecord({ at: 2, pmId: 1 }),
      exitRecord({ at: 3, namespace: 'blue', pmId: 2 }),
      exitRecord({ at: 4, name: 'my old app', pmId: 7 }),
      exitRecord({ at: 5, name: 'older', pmId: 0 }),
    ] as const;
    for (const each of [web0, web1, blue, gone, goneId]) exits.put(each);
    const fleet = fleetOf(
      listed({ pmId: 0, name: 'web' }),
      listed({ pmId: 1, name: 'web' }),
      listed({ pmId: 9, name: 'new' }),
    );
    for (const [target, expected] of [
      ['all', [goneId, gone, blue, web1, web0]],
      ['web', [blue, web1, web0]],
      ['default:web', [web1, web0]],
      ['blue:web', [blue]],
      ['web:1', [web1]],
      ['0', [web0]],
      ['1', [web1]],
      ['my old app', [gone]],
      ['my old app:7', [gone]],
      ['7', [gone]],
      ['new', []],
    ] as const)
      assert.deepEqual(
        idsOf(ask(fleet, target)),
        expected.map(({ id }) => id),
        target,
      );
    for (const nobody of ['nobody', 'web:5', '99', '']) {
      const reply = answerWhy({ fleet, exits }, { target: nobody }, 20);
      assert.ok(!reply.ok && reply.code === 'E_PARAMS', nobody);
      assert.match(reply.message, /PM2 manages no process ".*", and no exit of one is recorded/);
    }
  });

  it('shows the newest ten unless told, how many more there are, and since when exits are recorded', () => {
    for (let at = 1; at <= 15; at++) exits.put(exitRecord({ id: `exit-${at}`, at }));
    const fleet = fleetOf();
    assert.deepEqual([ask(fleet, 'web').exits.length, ask(fleet, 'web').more], [10, 5]);
    assert.deepEqual(idsOf(ask(fleet, 'web', 2)), ['exit-15', 'exit-14']);
    const since = answerWhy({ fleet, exits }, { target: 'web', since: 14 }, 20);
    assert.ok(since.ok && since.exits.length === 2 && since.more === 0);
    assert.equal(ask(fleet, 'all').recordedSince, exits.since);
  });

  it('has lines and figures of the newest only, where the reply is printed as a whole', () => {
    for (const at of [1, 2]) exits.put(exitRecord({ at, figures: [sample({ at: 1 })], stdout: ['hello'] }));
    const reply = answerWhy({ fleet: fleetOf(), exits }, { target: 'web' }, 1);
    assert.ok(reply.ok);
    assert.deepEqual(
      reply.exits.map(({ figures, stdout, missing }) => [figures.length, stdout.length, missing.length]),
      [
        [1, 1, 0],
        [0, 0, 1],
      ],
    );
  });

  it('says of each cause what to do, in lines that can be typed', () => {
    const heap = sample({ at: 1, heapLimitBytes: 512 * 2 ** 20 });
    for (const [given, about, expected] of [
      [{ exception: { message: 'TypeError: x', stack: [], at: 'src/pay.ts:12:3' } }, {}, /^repair src\/pay\.ts:12:3\n/],
      [{}, {}, /pm2 logs web --err --lines 50 --nostream$/],
      [
        { cause: 'heap-out-of-memory', figures: [heap] },
        {},
        /pm2 trigger web leak-report\n.*pm2 reload web --node-args --max-old-space-size=768$/,
      ],
      [
        { cause: 'heap-out-of-memory' },
        { nodeArgs: ['--no-warnings', '--max-old-space-size=100'] },
        /--node-args '--no-warnings --max-old-space-size=768'$/,
      ],
      [
        { cause: 'kill-timeout', asked: 'reload' },
        { killTimeoutMs: 3_000 },
        /longer than 3000 ms.*pm2 reload web --kill-timeout 6000$/,
      ],
      [
        { cause: 'memory-limit' },
        { maxMemoryRestart: 100 * 2 ** 20 },
        /leak-report\n.*pm2 reload web --max-memory-restart 150M$/,
      ],
      [{ cause: 'signal', signal: 'SIGTERM' }, {}, /PM2 did not send SIGTERM/],
      [{ cause: 'kernel-out-of-memory', certainty: 'probable' }, {}, /dmesg -T/],
      [{ cause: 'ran-dry' }, {}, /pm2 restart web --no-autorestart$/],
      [{ cause: 'cron' }, {}, /pm2 restart web --cron-restart 0$/],
      [{ cause: 'watch' }, {}, /ignore_watch/],
      [{ cause: 'unknown', certainty: 'probable' }, {}, /pm2 trigger pm2-ops doctor\n/],
      [
        { followed: { is: 'gave-up', restarts: 15 } },
        {},
        /PM2 has left it stopped; once it is repaired: pm2 restart web$/,
      ],
      [{ cause: 'restart' }, {}, /^$/],
    ] as const)
      assert.match(
        nextOf(given as Partial<ExitRecord>, about as Partial<ManagedProcess>).join('\n'),
        expected,
        JSON.stringify(given),
      );
  });

  it('takes kill_timeout from what the drain of the last exit has suggested', () => {
    exits.put(exitRecord({ cause: 'kill-timeout' }));
    const fleet = fleetOf(listed({ pmId: 0, name: 'web' }));
    fleet.exitReports.set(JSON.stringify(['default', 'web']) as never, { suggestedKillTimeoutMs: 9_500 } as never);
    assert.match(ask(fleet, 'web').next.join('\n'), /--kill-timeout 9500$/);
  });

  it('names a process by its id where PM2 takes the name for something else, and nothing of an app that is gone', () => {
    exits.put(exitRecord({ name: 'my app' }));
    exits.put(exitRecord({ name: 'all.json' }));
    const fleet = fleetOf(listed({ pmId: 3, name: 'my app' }), listed({ pmId: 4, name: 'all.json' }));
    assert.match(ask(fleet, 'my app').next.at(-1) ?? '', /pm2 logs 'my app' --err/);
    assert.match(ask(fleet, 'all.json').next.at(-1) ?? '', /pm2 logs 4 --err/);
    assert.match(ask(fleetOf(), 'my app').next.join('\n'), /^PM2 no longer manages my app/);
  });
});
