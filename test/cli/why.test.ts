import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { COLOURS } from '../../cli/table.ts';
import type { Failure } from '../../contract/errors.ts';
import type { ExitRecord, WhyReply } from '../../contract/exits.ts';
import { openExitStore } from '../../module/recorder/store.ts';
import { command } from '../../testkit/command.ts';
import { app, ROOT } from '../../testkit/folders.ts';
import { install } from '../../testkit/installed.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { run } from '../../testkit/run.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';
import { exitRecord, sample } from '../support/exits.ts';

const MIB = 2 ** 20;
const HOUR = 3_600_000;
const CLI = join(ROOT, 'dist/cli.mjs');
/** Runs a command on a terminal of 60 columns. */
const NARROW =
  'import pty, sys; sys.exit(pty.spawn(["sh", "-c", "stty cols 60; exec " + " ".join(sys.argv[1:])]) >> 8)';
/** What a terminal obeys, or what hides. */
const CONTROL = /(?!\n)[\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('pm2-ops why', () => {
  let pm2: Pm2;
  before(async () => {
    pm2 = await startPm2();
    // As an earlier module has left them.
    const store = openExitStore({ folder: join(pm2.home, 'pm2-ops'), maxBytes: 64 * MIB, log: assert.fail });
    for (const record of RECORDS) store.put(record);
    await pm2.startApp({ name: 'web', script: app('http.cjs'), env: { PORT: await freePort() } });
    await install(pm2);
    await untilAttached(pm2, 'web');
  });
  after(() => pm2.kill());

  const now = Date.now();
  const figures = Array.from({ length: 20 }, (_, at) =>
    sample({
      ...{ at: now - 3 * HOUR + at * 5_000, rssBytes: (100 + at * 20) * MIB, heapUsedBytes: (50 + at * 20) * MIB },
      ...{ heapLimitBytes: 512 * MIB, utilization: at / 20, delayMaxMs: at * 10, requests: at * 50, serverErrors: at },
    }),
  );
  const RECORDS: ExitRecord[] = [
    exitRecord({ name: 'gone', at: now - 9 * HOUR, headline: '\u001b[2J\u009b31mFAKE\u202e' }),
    exitRecord({ at: now - 5 * HOUR, cause: 'restart', by: { who: 'somebody' }, headline: 'pm2 restart', code: 0 }),
    exitRecord({ at: now - 4 * HOUR, namespace: 'blue' }),
    exitRecord({
      at: now - 3 * HOUR,
      headline: 'uncaught TypeError: x is not a function at src/pay.ts:12',
      uptimeMs: 2 * HOUR + 180_000,
      exception: {
        message: 'TypeError: x is not a function',
        stack: ['TypeError: x is not a function', '    at pay (src/pay.ts:12:3)', '    at serve (src/web.ts:7:1)'],
        at: 'src/pay.ts:12:3',
      },
      figures,
      stdout: ['paying', 'paid'],
      stderr: ['charging', 'TypeError: x is not a function', '    at pay (src/pay.ts:12:3)'],
      requests: { finished: 3, cut: 1 },
      deploy: { version: '1.2.3', branch: 'main', revision: 'abc1234' },
      missing: ['report: V8 has written none'],
      followed: { is: 'started', pid: 4_712, afterMs: 104 },
    }),
  ];

  it('shows the last exits in a line each, the newest in full, and what to type next', async () => {
    const { code, stdout } = await command(pm2, 'why', 'web');
    assert.equal(code, 0);
    assert.match(stdout, /^when +process +why +with +up +then$/m);
    const [newest, ...older] = stdout.match(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .*$/gm) ?? [];
    assert.match(
      newest ?? '',
      / web:0 +uncaught TypeError: x is not a function at src\/pay\.ts:12 +code 1 +2 h 3 min +pid 4712 after 104 ms$/,
    );
    assert.equal(older.length, 2);
    assert.match(older[0] ?? '', / blue:web:0 +uncaught TypeError/);
    assert.match(older[1] ?? '', / web:0 +pm2 restart +code 0 +1 min +-$/);
    for (const line of [
      /^web:0 {2}uncaught TypeError: x is not a function at src\/pay\.ts:12$/,
      /^when {7}\d{4}-.*, 3 h ago, pid \d+, fork mode, up 2 h 3 min$/,
      /^ended by {3}the process itself, code 1$/,
      /^then {7}pid 4712 after 104 ms$/,
      /^evidence {3}the agent saw an exception that nothing caught$/,
      /^exception {2}TypeError: x is not a function$/,
      /^ {11}at pay \(src\/pay\.ts:12:3\)$/,
      /^requests {3}3 finished, 1 cut$/,
      /^memory {5}▂.*█ {2}100 MB to 480 MB in 1 min 35 s, heap 430 MB of 512 MB$/,
      /^event loop ▁.*█ {2}95 % busy at the end, delayed up to 190 ms$/,
      /^requests {3}█+ {2}up to 10\.0 a second$/,
      /^errors {5}█+ {2}19 responses of 500 and above$/,
      /^stdout {5}paying$/,
      /^stderr {5}charging\ndeploy/,
      /^deploy {5}1\.2\.3 main abc1234$/,
      /^missing {4}report: V8 has written none$/,
      /^→ repair src\/pay\.ts:12:3$/,
      /^→ .*: pm2 logs web --err --lines 50 --nostream$/,
    ])
      assert.match(stdout, new RegExp(line, 'm'));
  });

  it('is narrow on a narrow terminal, and coloured only by us', async () => {
    const { NO_COLOR: _none, ...env } = pm2.env;
    const { stdout } = await run('python3', ['-c', NARROW, process.execPath, CLI, 'why', 'web'], { env });
    assert.ok(stdout.includes('\u001b[31muncaught TypeError'), stdout);
    const plain = stdout
      .split(COLOURS)
      .filter((_piece, at) => at % 2 === 0)
      .join('')
      .replaceAll('\r\n', '\n');
    assert.doesNotMatch(plain, CONTROL);
    const exits = plain.slice(0, plain.indexOf('→'));
    assert.ok(
      exits.split('\n').every((line) => line.length <= 60),
      exits,
    );
    assert.match(exits, /^ {2}uncaught TypeError: x is not a function at src\/pay\.ts:12$/m);
  });

  it('finds an app that is gone by its name, and shows what it said without letting it control the terminal', async () => {
    for (const flags of [[], ['--json']]) {
      const { code, stdout } = await command(pm2, 'why', 'gone', ...flags);
      assert.equal(code, 0);
      assert.match(stdout, /FAKE/);
      assert.doesNotMatch(stdout, CONTROL);
      assert.match(stdout, /PM2 no longer manages gone/);
    }
  });

  it('says that nothing is recorded, and since when it would be', async () => {
    await pm2.startApp({ name: 'quiet', script: app('http.cjs'), env: { PORT: await freePort() } });
    const { code, stdout } = await command(pm2, 'why', 'quiet');
    assert.equal(code, 0);
    assert.match(stdout, /^no exit of quiet is recorded; pm2-ops records exits since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/m);
    const nobody = await command(pm2, 'why', 'nobody');
    assert.deepEqual([nobody.code, nobody.stdout], [1, '']);
    assert.match(nobody.stderr, /PM2 manages no process "nobody".*\(E_PARAMS\)\nall that are: pm2-ops why all$/m);
  });

  it('takes how many and since when, and refuses what it does not understand', async () => {
    const json = async (...args: string[]) =>
      JSON.parse((await command(pm2, 'why', ...args, '--json')).stdout) as WhyReply;
    const one = await json('web', '--last', '1');
    assert.deepEqual([one.exits.length, one.more], [1, 2]);
    assert.deepEqual(one.exits, [RECORDS[3]]);
    assert.equal((await json('--since', '210m')).exits.length, 1);
    assert.equal((await json('all')).exits.length, 4);
    assert.match(
      (await command(pm2, 'why', 'web', '--last', '1')).stdout,
      /^2 earlier exits are recorded: --last 3 shows all$/m,
    );
    for (const [args, message] of [
      [['web', '--last', 'many'], /--last is a whole number from 1 to 1000, not "many"/],
      [['web', '--last', '0'], /--last is a whole number/],
      [['web', '--since', 'tomorrow'], /--since is a time ago .*, not "tomorrow"/],
      [['web', 'api'], /why takes one argument/],
    ] as const) {
      const { code, stderr } = await command(pm2, 'why', ...args);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
  });

  it('is a trigger, too, whose reply has lines and figures of the newest exit only', async () => {
    const reply = await pm2.triggerOne<WhyReply>('pm2-ops', 'why', { target: 'web', last: 3 });
    assert.deepEqual(
      reply.exits.map(({ id, figures }) => [id, figures.length]),
      [
        [RECORDS[3]?.id, 20],
        [RECORDS[2]?.id, 0],
        [RECORDS[1]?.id, 0],
      ],
    );
    assert.equal((await pm2.triggerOne<WhyReply>('pm2-ops', 'why', 'web')).exits.length, 3);
    const refused = await pm2.triggerOne<Failure>('pm2-ops', 'why', 'web lines=3');
    assert.deepEqual([refused.ok, refused.code], [false, 'E_PARAMS']);
  });

  it('status shows the last cause of each process', async () => {
    const { stdout } = await command(pm2, 'status');
    assert.match(stdout, /^id +name +pid +mode +pm2 +pm2-ops +state +last exit +note$/m);
    assert.match(stdout, /^0 +web .* 3 h ago: uncaught TypeError: x is not a function…( |$)/m);
    const { processes } = JSON.parse((await command(pm2, 'status', '--json')).stdout) as {
      processes: { name: string; lastCause?: object }[];
    };
    const { cause, at, headline } = RECORDS[3]!;
    assert.deepEqual(processes.find(({ name }) => name === 'web')?.lastCause, { cause, at, headline });
    assert.ok(!('lastCause' in (processes.find(({ name }) => name === 'quiet') ?? {})));
  });
});
