import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { RuleSet } from '../../../contract/rules.ts';
import { problemLine, readRules } from '../../../module/rulesFile/read.ts';
import { SCHEMA_FILE, schemaText } from '../../../scripts/rulesSchema.ts';
import { ROOT } from '../../../testkit/folders.ts';

/** A file with one rule, each field in a line of its own. */
function fileWith(rule: object, rest: object = {}): string {
  return JSON.stringify(
    { ...rest, rules: [{ name: 'slow', when: { is: 'blocked' }, do: ['alert'], ...rule }] },
    null,
    1,
  );
}

function problemsOf(text: string): string[] {
  const found = readRules(text);
  assert.ok(Array.isArray(found), 'the file was taken');
  return found.map((problem) => problemLine('rules.json', problem));
}

function rulesOf(text: string): RuleSet {
  const found = readRules(text);
  assert.ok(!Array.isArray(found), JSON.stringify(found));
  return found;
}

describe('a file of rules', () => {
  it('is taken with the times, sizes and limits that it leaves out', () => {
    const { rules, host } = rulesOf(
      fileWith({ when: { is: 'growth', above: '1.5GB' }, do: [{ action: 'leak-report', seconds: 5 }, 'report'] }),
    );
    assert.deepEqual(host, { atOnce: 2, times: 30, inMs: 3_600_000 });
    assert.deepEqual(rules.at(-1), {
      ...{ name: 'slow', builtIn: false, on: true, apps: ['*'], severity: 'warning' },
      when: { is: 'growth', above: 1.5 * 2 ** 30, below: 1.5 * 2 ** 30 * 0.8, forMs: 3_600_000 },
      do: [{ action: 'leak-report', seconds: 5, largestHeapBytes: 2 ** 30 }, { action: 'report' }],
      limit: { times: 1, inMs: 3_600_000 },
    });
  });

  it('adds to the built-in rules, and replaces or turns off those of the same name', () => {
    const own = {
      rules: [
        { name: 'leak', on: false },
        { name: 'blocked', apps: ['web-*'] },
      ],
    };
    const { rules } = rulesOf(JSON.stringify(own));
    assert.deepEqual(rules.map(({ name }) => name).sort(), ['blocked', 'crash-loop', 'disk', 'leak']);
    const named = (name: string) => rules.find((rule) => rule.name === name);
    assert.equal(named('leak')?.on, false);
    assert.deepEqual(named('blocked')?.apps, ['web-*']);
    assert.deepEqual(named('blocked')?.do, [{ action: 'stack' }, { action: 'alert' }]);
  });

  it('is refused with line, column and reason where its JSON is broken', () => {
    const cases: [text: string, problem: RegExp][] = [
      ['{\n "rules": [\n  {"name": "a",}\n ]\n}', /^rules\.json:3:16: nothing follows the comma before }$/],
      ['{\n "rules": [] "host": {}\n}', /^rules\.json:2:14: a comma or \} is missing before /],
      ["{'rules': []}", /^rules\.json:1:2: the name of a field, in double quotes, is missing/],
      ['{"rules": [] }\nx', /^rules\.json:2:1: nothing may follow the last bracket/],
      ['{"rules": [on]}', /^rules\.json:1:12: "on" is no value/],
      ['{"rules": [],\n"rules": []}', /^rules\.json:2:1: the field "rules" is there twice/],
      ['{"__proto__": {}}', /^rules\.json:1:2: "__proto__" is no field/],
      ['', /^rules\.json:1:1: a value is missing before the end of the file/],
      ['['.repeat(100), /^rules\.json:1:22: nested more than 20 deep/],
      ['{"rules": ["a\n"]}', /^rules\.json:1:12: a text has no closing quote in its line/],
      [' '.repeat(300_000), /^rules\.json:1:1: the file has more than 262144 characters/],
    ];
    for (const [text, problem] of cases) {
      const problems = problemsOf(text);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', problem);
    }
  });

  it('is refused with the line of each field that is wrong, and what it may be', () => {
    const text = fileWith({ when: { is: 'heap', above: 2, for: '3 minutes' }, limits: 1 });
    assert.deepEqual(problemsOf(text), [
      'rules.json:7:5: "above" must be less than 1, not 2',
      'rules.json:8:5: "for" must be a time such as "30s", "5m" or "1d", not "3 minutes"',
      'rules.json:13:4: there is no field "limits" here',
    ]);
    const cases: [rule: object, problem: RegExp][] = [
      [{ when: { is: 'blokced' } }, /:6:5: "is" must be "blocked", .* or "disk", not "blokced"/],
      [{ do: ['stak'] }, /: an action must be "stack", .* or "alert", not "stak"/],
      [{ do: [{ action: 'cpu-profile', seconds: 0 }] }, /: "seconds" must be at least 1, not 0/],
      [{ name: '__proto__' }, /: "name" must be 1 to 64 letters/],
      [{ when: { is: 'exit', causes: ['oom'] } }, /: number 1 of "causes" must be "uncaught-exception"/],
      [{ when: { is: 'errors', above: 5, below: 6 } }, /: "below" is more than "above": it would be over at once/],
      [{ when: { is: 'disk', below: '2GB', above: '1GB' } }, /: "above" is less than "below"/],
      [{ when: { is: 'blocked', for: '10ms' } }, /: "for" is shorter than 1000 ms/],
      [{ limit: { times: 1, in: '90d' } }, /: "in" is between 1s and 30d/],
      [{ when: undefined }, /: the rule "slow" needs "when"/],
    ];
    for (const [rule, problem] of cases) assert.match(problemsOf(fileWith(rule)).join('\n'), problem);
    assert.match(problemsOf('[]')[0] ?? '', /:1:1: the file must be an object in braces, not \[\]/);
    assert.match(
      problemsOf('{"rules":[{"name":"leak"},{"name":"leak"}]}')[0] ?? '',
      /:1:28: there are two rules "leak"/,
    );
  });

  it('is refused where an action cannot be taken when the condition is met', () => {
    const gone = problemsOf(fileWith({ when: { is: 'exit', causes: ['signal'] }, do: ['alert', 'stack'] }));
    assert.match(gone.join('\n'), /about processes that are gone: there is nothing for "stack"/);
    assert.match(problemsOf(fileWith({ when: { is: 'restarts', times: 3 }, do: ['reload'] })).join('\n'), /"reload"/);
    assert.match(problemsOf(fileWith({ when: { is: 'disk', below: '1GB' }, do: ['report'] })).join('\n'), /the host/);
    assert.match(problemsOf(fileWith({ do: ['heapdump'] })).join('\n'), /a blocked process does not answer "heapdump"/);
  });

  it('as the guide shows it is right', () => {
    const guide = readFileSync(join(ROOT, 'docs/guides/rules.md'), 'utf8');
    const example = /```json\n([\s\S]*?)```/.exec(guide)?.[1] ?? '';
    assert.deepEqual(
      rulesOf(example).rules.flatMap(({ name, builtIn, on }) => (builtIn || !on ? [] : [name])),
      ['slow', 'full', 'out-of-heap'],
    );
  });

  it('has a JSON schema that says the same as what is checked', () => {
    assert.deepEqual(JSON.parse(readFileSync(SCHEMA_FILE, 'utf8')), JSON.parse(schemaText()), 'npm run rules:schema');
  });
});
