import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Evidence, Rule } from '../../../contract/rules.ts';
import { createLedger } from '../../../module/rules/ledger.ts';
import { watchRules } from '../../../module/rules/watch.ts';
import { tempFolder } from '../../../testkit/folders.ts';

const OWN = JSON.stringify({ rules: [{ name: 'own', when: { is: 'blocked' }, do: ['stack'] }] });
const BAD = '{"rules": [\n{"name": "own"}]}';

describe('rules.json', () => {
  const folder = tempFolder();
  const file = join(folder, 'rules.json');
  const said: string[] = [];
  const watch = watchRules(folder, (line) => said.push(line));
  const names = () => watch.rules().rules.map(({ name }) => name);

  /** Puts a file in its place at once, as an editor does. */
  function put(text: string): void {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    watch.look();
  }

  it('need not be there', () => {
    watch.look();
    assert.deepEqual([watch.fileIs(), names()], ['absent', ['blocked', 'leak', 'crash-loop', 'disk']]);
    assert.deepEqual(said, []);
  });

  it('is in force as soon as it is there', () => {
    put(OWN);
    assert.equal(names().at(-1), 'own');
    assert.equal(watch.fileIs(), 'in-force');
    assert.match(said.at(-1) ?? '', /rules\.json is in force: .*own/);
    const count = said.length;
    watch.look();
    assert.equal(said.length, count, 'an unchanged file is not read again');
  });

  it('that is bad is refused with line and reason, and the last good one stays in force', () => {
    put(BAD);
    assert.equal(names().at(-1), 'own');
    assert.deepEqual(
      [watch.fileIs(), watch.problems()],
      ['refused', ['rules.json:2:2: the rule "own" needs "when": only a built-in rule has one of its own']],
    );
    assert.match(said.at(-1) ?? '', /is refused, and the rules stay as they were: rules\.json:2:2: /);
  });

  it('that is bad leaves the last good one in force over a restart of the module, too', () => {
    const next = watchRules(folder, () => {});
    next.look();
    assert.deepEqual([next.fileIs(), next.rules().rules.at(-1)?.name], ['refused', 'own']);
  });

  it('that is a pipe nobody writes to, or too large, holds nothing up', () => {
    rmSync(file);
    execFileSync('mkfifo', [file]);
    watch.look();
    assert.match(watch.problems().join(), /is no file/);
    rmSync(file);
    put(' '.repeat(300_000));
    assert.match(watch.problems().join(), /has 300000 bytes/);
    assert.equal(names().at(-1), 'own');
  });

  it('that is gone leaves the built-in rules', () => {
    rmSync(file);
    watch.look();
    assert.deepEqual([watch.fileIs(), names()], ['absent', ['blocked', 'leak', 'crash-loop', 'disk']]);
    const next = watchRules(folder, () => {});
    next.look();
    assert.equal(next.rules().rules.length, 4);
  });
});

describe('what the rules remember', () => {
  const rule = { name: 'r', limit: { times: 2, inMs: 86_400_000 } } as Rule;
  const evidence = (at: number): Evidence => ({
    ...{ rule: 'r', action: 'stack', at, app: 'web', pmId: 1, pid: 2, ok: true, what: 'x' },
  });

  it('a limit holds for each app by itself, and over a restart of the module', () => {
    const folder = tempFolder();
    const first = createLedger(folder, assert.fail);
    assert.equal(first.takes(rule, 'web', 1e9), undefined);
    assert.equal(first.takes(rule, 'web', 1e9 + 1), undefined);
    assert.equal(first.takes(rule, 'api', 1e9 + 2), undefined);
    const second = createLedger(folder, assert.fail);
    assert.equal(second.takes(rule, 'web', 1e9 + 3), 1e9 + 86_400_000);
    assert.equal(second.takes(rule, 'api', 1e9 + 3), undefined);
    assert.deepEqual(
      second
        .limited(rule, 1e9 + 4)
        .map(({ app }) => app)
        .sort(),
      ['api', 'web'],
    );
    assert.equal(second.takes(rule, 'web', 1e9 + 86_400_000), undefined);
  });

  it('is a small file that only this user can read, however much happens', () => {
    const folder = tempFolder();
    const ledger = createLedger(folder, assert.fail);
    for (let at = 0; at < 60; at++) ledger.keep(evidence(at));
    ledger.fired('r', 5);
    ledger.fired('constructor', 6);
    const next = createLedger(folder, assert.fail);
    assert.deepEqual(
      next.evidence().map(({ at }) => at),
      Array.from({ length: 50 }, (_, index) => index + 10),
    );
    assert.deepEqual(
      [next.ofRule('r'), next.ofRule('constructor')],
      [
        { count: 1, last: 5 },
        { count: 1, last: 6 },
      ],
    );
    const stats = statSync(join(folder, 'rules-state.json'));
    assert.equal(stats.mode & 0o777, 0o600);
    assert.ok(stats.size < 20_000);
  });

  it('that cannot be read is forgotten, and what the disk does not take is said once', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'rules-state.json'), '{"fired": 3}');
    assert.deepEqual(createLedger(folder, assert.fail).evidence(), []);
    const said: string[] = [];
    const ledger = createLedger(join(folder, 'not-there'), (line) => said.push(line));
    ledger.fired('r', 1);
    ledger.fired('r', 2);
    assert.equal(said.length, 1);
    assert.deepEqual(ledger.ofRule('r'), { count: 2, last: 2 });
  });
});
