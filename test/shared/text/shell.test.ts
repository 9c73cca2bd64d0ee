import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { shellLine, shellWord } from '../../../shared/text/shell.ts';

const NAMES = [
  'web',
  'my app',
  '订单',
  'line\nbreak',
  'tab\there',
  'it\'s "quoted"',
  '$(touch /tmp/no)',
  '`id`',
  'a\\b',
  'a;b&c|d>e',
  '42',
  '-x',
  'a__b',
  'team/api',
  '*',
  '~root',
  '#1',
  '!!',
  "\u001b[31m'red\\",
  '\u202egnp.exe',
  '\u{1f600}',
];

describe('a word of a line to type', () => {
  it('pasted into a shell is the name again, whatever is in it', () => {
    for (const name of NAMES) {
      const printed = execFileSync('bash', ['-c', `printf '%s\\0' ${shellWord(name)} end`], { encoding: 'utf8' });
      assert.deepEqual(printed.split('\0'), [name, 'end', ''], shellWord(name));
    }
  });

  it('shows on one line what a terminal would not', () => {
    for (const name of NAMES) assert.doesNotMatch(shellWord(name), /[\p{Cc}\p{Cf}]/u);
    assert.equal(shellWord('line\nbreak'), "$'line\\nbreak'");
  });

  it('has no quotes where none are needed', () => {
    assert.equal(shellLine('pm2', 'reload', 'web-1'), 'pm2 reload web-1');
    assert.equal(shellLine('pm2', 'reload', 'my app'), "pm2 reload 'my app'");
    assert.equal(shellWord(''), "''");
  });
});
