import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readRequest } from '../../../module/api/readRequest.ts';

describe('a request to the module', () => {
  const names = ['web', 'app=web', '1', ' my app '];
  const asker = { isName: (text: string) => names.includes(text) };
  const trigger = (action: string, raw: unknown) => readRequest(action, raw, { by: 'trigger', ...asker });
  const command = (action: string, raw: unknown) => readRequest(action, raw, { by: 'command', ...asker });
  const codeOf = (request: ReturnType<typeof trigger>) => ('code' in request ? request.code : request);

  it('names its processes in every form that PM2 delivers, by a trigger as by the command', () => {
    const forms: [raw: unknown, target: string][] = [
      ['', 'all'],
      [undefined, 'all'],
      [{}, 'all'],
      ['web', 'web'],
      ['web:0', 'web:0'],
      ['blue:web:0', 'blue:web:0'],
      ['app=web:0', 'web:0'],
      [{ app: 'web:0' }, 'web:0'],
      ['{"app":"web:0"}', 'web:0'],
      [3, '3'],
      ['id=3', '3'],
      [{ id: 3 }, '3'],
      // The names of apps, whatever they look like.
      ['app=web', 'app=web'],
      ['app= my app ', ' my app '],
    ];
    for (const action of ['attach', 'detach', 'stack']) {
      for (const [raw, target] of forms) {
        assert.deepEqual(trigger(action, raw), { command: action, params: { target } }, JSON.stringify(raw));
        assert.deepEqual(command(action, raw), { command: action, params: { target } }, JSON.stringify(raw));
      }
    }
  });

  it('is refused where it is not understood, with what there is', () => {
    for (const raw of ['name=web', { app: 'web', id: 1 }, { app: true }, '{broken', 'app=']) {
      assert.equal(codeOf(trigger('attach', raw)), 'E_PARAMS', JSON.stringify(raw));
    }
    const unknown = trigger('atach', 'web');
    assert.ok('code' in unknown);
    assert.deepEqual(
      [unknown.message, unknown.hint],
      ['there is no action "atach"', 'there are status, attach, detach, stack, why, doctor, rules, alerts, reload'],
    );
  });

  it('for a reload says who asks, since hints name the same way', () => {
    const asked = trigger('reload', 'web settle=1000');
    assert.ok(!('code' in asked) && asked.command === 'reload');
    assert.deepEqual([asked.params.app, asked.params.settle, asked.params.by], ['web', 1000, 'trigger']);
    const byCommand = command('reload', { app: 'web' });
    assert.ok(!('code' in byCommand) && byCommand.command === 'reload' && byCommand.params.by === 'command');
    assert.equal(codeOf(trigger('reload', 'web nonsense=1')), 'E_PARAMS');
  });

  it('for exits has a target, a number and a time, and says who asks', () => {
    const asked = trigger('why', '{"target":"web","last":3}');
    assert.deepEqual(asked, { command: 'why', params: { target: 'web', last: 3, by: 'trigger' } });
    const byCommand = command('why', { target: 'web', since: 5 });
    assert.deepEqual(byCommand, { command: 'why', params: { target: 'web', since: 5, by: 'command' } });
    const bad = trigger('why', 'web last=none');
    assert.ok('code' in bad && bad.code === 'E_PARAMS');
    assert.match(bad.hint, /pm2 trigger pm2-ops why/);
  });

  it('for alerts is a look, or a test where it says so', () => {
    for (const raw of [undefined, '', {}, { test: false }])
      assert.deepEqual(trigger('alerts', raw), { command: 'alerts', params: { test: false } });
    for (const raw of ['test=true', { test: true }])
      assert.deepEqual(command('alerts', raw), { command: 'alerts', params: { test: true } });
    for (const raw of ['web', { tset: true }, { test: 'yes' }, 3])
      assert.equal(codeOf(trigger('alerts', raw)), 'E_PARAMS');
  });

  it('for an action of processes or a REPL comes from the command alone', () => {
    const run = { action: 'gc', target: 'web:0', params: {} };
    const repl = { target: 'web:0', user: 'me', uid: 1 };
    assert.deepEqual(command('run', run), { command: 'run', params: run });
    assert.deepEqual(command('repl', repl), { command: 'repl', params: repl });
    assert.equal(codeOf(trigger('run', run)), 'E_PARAMS');
    assert.equal(codeOf(trigger('repl', repl)), 'E_PARAMS');
    assert.equal(codeOf(command('run', { ...run, target: 1 })), 'E_PARAMS');
    assert.equal(codeOf(command('repl', { ...repl, uid: 'root' })), 'E_PARAMS');
  });
});
