import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it, type TestContext } from 'node:test';
import { appOf } from '../../../contract/app.ts';
import type { ExitRecord } from '../../../contract/exits.ts';
import { openExitStore } from '../../../module/recorder/store.ts';
import { ROOT, releaseFolder, tempFolder } from '../../../testkit/folders.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { exitRecord, sample } from '../../support/exits.ts';
import { cannotMount, mountSmall } from '../../support/limits.ts';

const MIB = 2 ** 20;
const WEB = appOf({ namespace: 'default', name: 'web' });

describe('the records of exits', () => {
  let folder: string;
  let logged: string[];
  beforeEach(() => {
    folder = tempFolder();
    logged = [];
  });
  afterEach(() => releaseFolder(folder));

  const open = (maxBytes = 64 * MIB) => openExitStore({ folder, maxBytes, log: (line) => logged.push(line) });
  const exits = () => join(folder, 'exits');
  const files = () =>
    readdirSync(exits())
      .filter((name) => name !== 'since')
      .map((name) => join(exits(), name));
  const bytes = () => files().reduce((sum, file) => sum + statSync(file).size, 0);
  const idsOf = (records: readonly ExitRecord[]) => records.map(({ id }) => id);

  it('are read as they were put, the newest first, also by the next module', () => {
    const figures = [sample({ at: 1_000, rssBytes: 50 * MIB, utilization: 0.25, requests: 7 })];
    const first = exitRecord({ figures, exception: { message: 'TypeError: x', stack: ['at a.js:1'], at: 'a.js:1' } });
    const second = exitRecord({ cause: 'kill-timeout', asked: 'reload', code: null, signal: 'SIGKILL' });
    const store = open();
    store.put(first);
    store.put(second);
    for (const each of [store, open()]) assert.deepEqual(each.read({}), { exits: [second, first], more: 0 });
    assert.deepEqual(open().last(WEB), second);
    assert.deepEqual(logged, []);
  });

  it('tell since when there are any, which the first module has noted', () => {
    const { since } = open();
    assert.ok(Math.abs(Date.now() - since) < 60_000);
    assert.equal(open().since, since);
    writeFileSync(join(exits(), 'since'), '1700000000000');
    assert.equal(open().since, 1_700_000_000_000);
  });

  it('are for their user only', () => {
    open().put(exitRecord());
    assert.equal(statSync(exits()).mode & 0o777, 0o700);
    assert.deepEqual(
      files().map((file) => statSync(file).mode & 0o777),
      [0o600],
    );
  });

  it('are replaced by a later one of the same exit', () => {
    const store = open();
    const record = exitRecord();
    const next = exitRecord();
    store.put(record);
    store.put(next);
    const known: ExitRecord = { ...record, followed: { is: 'started', pid: 7, afterMs: 12 } };
    store.put(known);
    for (const each of [store, open()]) assert.deepEqual(each.read({}).exits, [next, known]);
  });

  it('are chosen by app, by id, by time and by number', () => {
    const store = open();
    const [a, b, c, d] = [
      exitRecord({ at: 1_000 }),
      exitRecord({ at: 2_000, pmId: 1 }),
      exitRecord({ at: 3_000, pmId: '_old_1' }),
      exitRecord({ at: 4_000, name: 'api', pmId: 1 }),
    ] as const;
    for (const each of [a, b, c, d]) store.put(each);
    assert.deepEqual(idsOf(store.read({ apps: [WEB] }).exits), [c.id, b.id, a.id]);
    assert.deepEqual(idsOf(store.read({ apps: [WEB], pmId: 1 }).exits), [c.id, b.id]);
    assert.deepEqual(idsOf(store.read({ since: 2_000 }).exits), [d.id, c.id, b.id]);
    assert.deepEqual(store.read({ last: 1 }), { exits: [d], more: 3 });
    assert.equal(store.last(WEB, 0)?.id, a.id);
    assert.equal(store.last(appOf({ namespace: 'blue', name: 'web' })), undefined);
  });

  it('keep two apps of one name in two namespaces apart, and apps with any name', () => {
    const names = ['web', 'a/b', '../../escape', 'line\nbreak', 'ö 漢字', '.', '', 'x'.repeat(256), '"quoted"'];
    const store = open();
    for (const name of names)
      for (const namespace of ['default', 'blue']) store.put(exitRecord({ name, namespace, pmId: name.length }));
    assert.equal(files().length, names.length * 2);
    for (const name of names)
      for (const namespace of ['default', 'blue']) {
        const { exits } = open().read({ apps: [appOf({ namespace, name })] });
        assert.deepEqual(
          exits.map((each) => [each.name, each.namespace]),
          [[name, namespace]],
        );
      }
    assert.deepEqual(
      open()
        .apps()
        .filter(({ name }) => name === 'web')
        .map(({ namespace, pmIds }) => [namespace, pmIds])
        .sort(),
      [
        ['blue', [3]],
        ['default', [3]],
      ],
    );
  });

  it('are all there when the module is killed in the middle of writing them', async () => {
    const script = join(ROOT, 'test/support/writesExits.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, folder], { cwd: ROOT });
    const told: string[] = [];
    child.stdout.on('data', (text: Buffer) => told.push(text.toString()));
    const last = () => Number(told.join('').split('\n').at(-2) ?? 0);
    await waitFor(() => last() > 300, { what: '300 exits to be written', timeoutMs: 30_000 });
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const { exits } = open().read({});
    assert.ok(exits.length >= last(), `${exits.length} of ${last()}`);
    assert.deepEqual(
      idsOf(exits),
      exits.map((_each, at) => `exit-${exits.length - at}`),
    );
  });

  it('survive a torn line, wherever it was torn, and the next one stands apart from it', () => {
    const [kept, torn, next] = [exitRecord(), exitRecord(), exitRecord()];
    for (const cut of [1, 2, 40, 300]) {
      const store = open();
      store.put(kept);
      store.put(torn);
      const file = files()[0]!;
      truncateSync(file, statSync(file).size - cut);
      open().put(next);
      // Without its line break alone, a line is whole.
      const expected = cut === 1 ? [next.id, torn.id, kept.id] : [next.id, kept.id];
      assert.deepEqual(idsOf(open().read({}).exits), expected);
      rmSync(file);
    }
  });

  it('survive garbage: binary, JSON that is no record, an id in a torn later line', () => {
    const store = open();
    const record = exitRecord();
    store.put(record);
    const file = files()[0]!;
    appendFileSync(file, Buffer.from([0, 255, 10, 10, 254]));
    appendFileSync(file, '\nnull\n[]\n{"id":"x"}\n{"__proto__":{}}\n');
    appendFileSync(file, `${JSON.stringify({ ...record, figures: 'many' })}\n${JSON.stringify(record).slice(0, 90)}`);
    const next = exitRecord();
    for (const each of [store, open()]) each.put(next);
    for (const each of [store, open()]) assert.deepEqual(each.read({}).exits, [next, record]);
    assert.deepEqual(logged, []);
  });

  it('of thousands keep the newest, within the share of one app', () => {
    const maxBytes = 8 * MIB;
    const store = open(maxBytes);
    const stderr = Array.from({ length: 10 }, (_, at) => `line ${at} of some length, as an app writes it`);
    for (let at = 1; at <= 5_000; at++) store.put(exitRecord({ id: `exit-${at}`, at, stderr }));
    assert.ok(bytes() <= maxBytes / 8, `${bytes()}`);
    for (const each of [store, open(maxBytes)]) {
      const { exits } = each.read({});
      assert.ok(exits.length > 500, `${exits.length}`);
      assert.deepEqual(
        idsOf(exits),
        exits.map((_each, at) => `exit-${5_000 - at}`),
      );
    }
    assert.deepEqual(
      files().filter((file) => file.endsWith('.new')),
      [],
    );
  });

  it('of a quiet app outlive those of many loud ones, and all together stay within the bound', () => {
    const maxBytes = 4 * MIB;
    const store = open(maxBytes);
    const quiet = exitRecord({ name: 'quiet', at: 1 });
    store.put(quiet);
    const stderr = Array.from({ length: 20 }, () => 'x'.repeat(900));
    for (let at = 0; at < 40; at++)
      for (let app = 0; app < 20; app++) store.put(exitRecord({ name: `loud-${app}`, stderr }));
    assert.ok(bytes() <= maxBytes, `${bytes()}`);
    assert.deepEqual(open(maxBytes).last(appOf(quiet)), quiet);
    const counts = Array.from({ length: 20 }, (_, app) => {
      return store.read({ apps: [appOf({ namespace: 'default', name: `loud-${app}` })] }).exits.length;
    });
    assert.ok(Math.min(...counts) > 2, `${counts}`);
  });

  it('of an app that has ended longest ago go first, where there are too many apps for one record each', () => {
    const store = open(4 * MIB);
    const stderr = Array.from({ length: 30 }, () => 'x'.repeat(900));
    for (let app = 1; app <= 300; app++) store.put(exitRecord({ name: `preview-${app}`, at: app, stderr }));
    assert.ok(bytes() <= 4 * MIB, `${bytes()}`);
    const names = store.apps().map(({ name }) => Number(name.slice('preview-'.length)));
    assert.deepEqual(Math.max(...names), 300);
    assert.equal(Math.min(...names), 300 - names.length + 1);
  });

  it('are bounded each: the newest lines and figures are kept', () => {
    const figures = Array.from({ length: 64 }, (_, at) => sample({ at, rssBytes: 1e15 + at }));
    const stderr = Array.from({ length: 5_000 }, (_, at) => `${at} ${'y'.repeat(5_000)}`);
    const store = open();
    store.put(exitRecord({ stderr, stdout: stderr, figures, headline: 'z'.repeat(1e6) }));
    const [record] = store.read({}).exits;
    assert.ok(record?.stderr.at(-1)?.startsWith(`4999 ${'y'.repeat(900)}`), 'the last line is there');
    assert.equal(record?.figures.at(-1)?.at, 63);
    assert.ok(statSync(files()[0]!).size <= 64 * 1024 + 1);
  });

  it('have no secrets, whoever has recorded them', () => {
    const canary = 'canary5tr0ngs3cret';
    const leaks = `DB_PASSWORD=${canary}`;
    open().put(
      exitRecord({
        ...{ headline: leaks, evidence: [leaks], stdout: [leaks], stderr: [leaks], missing: [leaks] },
        exception: { message: leaks, stack: [leaks], at: leaks },
        deploy: { version: leaks },
      }),
    );
    assert.ok(!readFileSync(files()[0]!, 'utf8').includes(canary));
  });

  it('wait in memory while the disk is full, which is logged once, and are written when there is room', (context: TestContext) => {
    const reason = cannotMount();
    if (reason) return context.skip(reason);
    const unmount = mountSmall(exits(), 'size=256k');
    try {
      const store = open();
      const filler = join(exits(), 'filler');
      store.put(exitRecord());
      writeFileSync(filler, Buffer.alloc(200 * 1024));
      const stderr = Array.from({ length: 20 }, () => 'x'.repeat(900));
      const records = Array.from({ length: 6 }, () => exitRecord({ stderr }));
      for (const each of records) store.put(each);
      assert.equal(logged.length, 1, logged.join('\n'));
      assert.match(logged[0]!, /exits cannot be written to .*ENOSPC.*stay in memory/);
      assert.deepEqual(idsOf(store.read({}).exits).slice(0, 6), idsOf(records.toReversed()));
      assert.ok(open().read({}).exits.length < 7, 'not all are on the disk');
      rmSync(filler);
      const last = exitRecord();
      store.put(last);
      for (const each of [store, open()])
        assert.deepEqual(idsOf(each.read({}).exits).slice(0, 7), idsOf([last, ...records.toReversed()]));
      writeFileSync(filler, Buffer.alloc(100 * 1024));
      for (let at = 0; at < 150; at++) store.put(exitRecord({ stderr }));
      assert.equal(logged.length, 2, 'it says so again when it happens again');
      assert.ok(store.read({}).exits.length < 120, 'the memory is bounded, too');
    } finally {
      unmount();
    }
  });

  it('stay in memory where the folder cannot be used, and in the folder when it can', () => {
    writeFileSync(exits(), 'a file');
    const store = open();
    const record = exitRecord();
    store.put(record);
    assert.deepEqual(store.read({}).exits, [record]);
    assert.equal(logged.length, 1);
    rmSync(exits());
    store.put(exitRecord());
    assert.equal(open().read({}).exits.length, 2);
  });

  it('are not read or written through a link', () => {
    const store = open();
    store.put(exitRecord());
    const file = files()[0]!;
    rmSync(file);
    writeFileSync(join(folder, 'elsewhere'), 'untouched\n');
    symlinkSync(join(folder, 'elsewhere'), file);
    const record = exitRecord();
    store.put(record);
    assert.deepEqual(store.read({}).exits, [record]);
    assert.equal(readFileSync(join(folder, 'elsewhere'), 'utf8'), 'untouched\n');
    assert.equal(logged.length, 1);
  });

  it('are written again after somebody has removed the folder', () => {
    const store = open();
    store.put(exitRecord());
    rmSync(exits(), { recursive: true });
    const record = exitRecord();
    store.put(record);
    assert.deepEqual(store.read({}).exits, [record]);
    assert.deepEqual(logged, []);
  });

  it('leave no unfinished file of a module that was killed while it made room', () => {
    open().put(exitRecord());
    const unfinished = `${files()[0]!}.4711.new`;
    writeFileSync(unfinished, 'half');
    assert.equal(open().read({}).exits.length, 1);
    assert.ok(!existsSync(unfinished));
  });
});
