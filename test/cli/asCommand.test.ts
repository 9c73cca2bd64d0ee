import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { asCommand, inWordsOfTheCommand } from '../../cli/asCommand.ts';

const LINES: [trigger: string, command: string][] = [
  ['pm2 trigger 3 drain force=true', 'pm2-ops drain 3 force=true'],
  ['pm2 trigger web heapdump', 'pm2-ops heapdump web'],
  ["pm2 trigger 'my app' heapdump all=true", "pm2-ops heapdump 'my app' all=true"],
  ['pm2 trigger pm2-ops stack id=3', 'pm2-ops stack 3'],
  ['pm2 trigger pm2-ops attach', 'pm2-ops attach'],
  ['pm2 trigger pm2-ops reload app=web', 'pm2-ops reload web'],
  ["pm2 trigger pm2-ops reload 'app=my app'", "pm2-ops reload 'my app'"],
  ["pm2 trigger pm2-ops reload 'app=it'\\''s'", "pm2-ops reload 'it'\\''s'"],
  ["pm2 trigger pm2-ops reload $'app=a\\nb'", "pm2-ops reload $'a\\nb'"],
  ['pm2 trigger pm2-ops reload app=web force=true', 'pm2-ops reload web --force'],
  [`pm2 trigger pm2-ops reload '{"app":"my app","timeout":5}'`, "pm2-ops reload 'my app' --timeout=5"],
];

describe('a hint of the module', () => {
  it('is in the words of the command for whoever asked by it', () => {
    for (const [trigger, command] of LINES) {
      assert.equal(asCommand(trigger), command);
      assert.equal(
        asCommand(`first: ${trigger}; then (${trigger}), or ${trigger}.`),
        `first: ${command}; then (${command}), or ${command}.`,
      );
    }
  });

  it('keeps the sentence around it', () => {
    assert.equal(
      asCommand('for this one: pm2 trigger 0 heapdump; for all: pm2 trigger web heapdump all=true'),
      'for this one: pm2-ops heapdump 0; for all: pm2-ops heapdump web all=true',
    );
    assert.equal(asCommand('pm2 restart 3, pm2 trigger waits'), 'pm2 restart 3, pm2 trigger waits');
  });

  it('is translated wherever it is in a reply, and nothing else is', () => {
    const reply = {
      name: 'pm2 trigger a b',
      findings: [{ fix: 'pm2 trigger pm2-ops stack id=1', commands: ['pm2 trigger 1 resume'] }],
    };
    assert.deepEqual(inWordsOfTheCommand(reply), {
      name: 'pm2 trigger a b',
      findings: [{ fix: 'pm2-ops stack 1', commands: ['pm2-ops resume 1'] }],
    });
  });
});
