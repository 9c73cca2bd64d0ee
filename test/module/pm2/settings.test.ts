import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isExcluded, matches, readSettings, validate } from '../../../module/pm2/settings.ts';

describe('settings', () => {
  it('are the documented defaults where nothing is set', () => {
    assert.deepEqual(validate({}), {
      settings: {
        attach: 'live',
        include: ['*'],
        exclude: [],
        graceful: 'auto',
        door: 'auto',
        door_seconds: 30,
        port: 9616,
        host: '127.0.0.1',
        dump_keep: 5,
        dump_max_bytes: 2 * 2 ** 30,
        record_max_bytes: 64 * 2 ** 20,
        http_dumps: 'off',
        repl: 'off',
        alert_url: '',
        alert_format: 'json',
        alert_exec: '',
        alert_severity: 'warning',
        alert_repeat_minutes: 240,
      },
      refused: [],
    });
  });

  it('show of alert_url only its server, and nothing of one that is refused', () => {
    const given = 'https://ops:hunter22@hooks.example.org:8443/services/T0/xyzzy?key=sesame';
    const { settings, alertUrl, refused } = validate({ alert_url: given });
    assert.equal(settings.alert_url, 'https://hooks.example.org:8443/…');
    assert.deepEqual([alertUrl?.href, refused], [given, []]);
    for (const bad of ['ftp://ops:hunter22@example.org/xyzzy', 'hooks.example.org/services/xyzzy', 'file:///xyzzy']) {
      const { settings: rest, alertUrl: none, refused: lines } = validate({ alert_url: bad });
      assert.deepEqual([rest.alert_url, none], ['', undefined]);
      assert.match(String(lines), /pm2-ops:alert_url refused: its value is not a URL that begins with https/);
      assert.doesNotMatch(String(lines), /xyzzy|hunter22/);
    }
  });

  it('take what pm2 set stores: strings, and what looks like JSON as its value', () => {
    const { settings, refused } = validate({
      port: 9700,
      dump_keep: '3',
      include: 'web,api-*',
      dump_max_bytes: '500MB',
    });
    assert.deepEqual(refused, []);
    assert.equal(settings.port, 9700);
    assert.equal(settings.dump_keep, 3);
    assert.deepEqual(settings.include, ['web', 'api-*']);
    assert.equal(settings.dump_max_bytes, 500 * 2 ** 20);
  });

  const bad: [string, unknown, RegExp][] = [
    ['attach', 'maybe', /pm2-ops:attach refused: "maybe" is not live or off; the default is used: live/],
    ['port', '0', /"0" is not a port from 1 to 65535; the default is used: 9616/],
    ['port', 'http', /is not a port/],
    ['port', 70_000, /70000 is not a port/],
    ['host', 'my host', /is not an IP address or localhost/],
    ['door_seconds', '0', /"0" is not a whole number from 1 to 3600; the default is used: 30/],
    ['dump_keep', '-1', /is not a whole number from 1/],
    ['dump_max_bytes', 'lots', /is not bytes, such as/],
    ['record_max_bytes', '1MB', /is not bytes, at least 4MiB/],
    ['http_dumps', true, /true is not on or off/],
    ['repl', { a: 1 }, /is not on or off/],
    ['alert_exec', 'notify.sh', /"notify.sh" is not the absolute path of a program/],
    ['alert_format', 'xml', /is not json or slack/],
    ['alert_severity', 'bad', /is not info, warning or critical/],
    ['alert_repeat_minutes', 0, /is not a whole number from 1 to 10080/],
  ];
  for (const [key, value, line] of bad) {
    it(`${key}=${JSON.stringify(value)} is refused with value, form and default`, () => {
      const { settings, refused } = validate({ [key]: value });
      assert.equal(refused.length, 1);
      assert.match(refused[0] ?? '', line);
      assert.deepEqual(settings, validate({}).settings);
    });
  }

  it('that do not exist are refused with the list of those that do', () => {
    const { refused } = validate({ prot: 1 });
    assert.match(refused[0] ?? '', /pm2-ops:prot refused: there is no such setting; there are attach, include/);
  });

  it('survive a broken file of PM2 with a line that says so', (t) => {
    const home = mkdtempSync(join(tmpdir(), 'ops-settings-'));
    t.after(() => rmSync(home, { recursive: true }));
    assert.deepEqual(readSettings(home).refused, []);
    writeFileSync(join(home, 'module_conf.json'), '{ "pm2-ops": ');
    const { settings, refused } = readSettings(home);
    assert.match(refused[0] ?? '', /cannot be read .* defaults are used/);
    assert.equal(settings.port, 9616);
  });
});

describe('app-name globs', () => {
  it('match whole names, with * and ?', () => {
    assert.ok(matches('api-v2', ['web', 'api-*']));
    assert.ok(matches('web1', ['web?']));
    assert.ok(!matches('web', ['web?']));
    assert.ok(!matches('my-web', ['web']));
    assert.ok(!matches('web', []));
  });
  it('are separated by commas only, so that a name may hold spaces', () => {
    const { include } = validate({ include: ' my app, 订单,api-* ,' }).settings;
    assert.deepEqual(include, ['my app', '订单', 'api-*']);
    assert.ok(matches('my app', include));
    assert.ok(!matches('my', include) && !matches('app', include));
  });
  it('match any character, a line break and one outside of the basic plane, too', () => {
    assert.ok(matches('line\nbreak', ['line*']));
    assert.ok(matches('a\u{1f600}b', ['a?b']));
    assert.ok(matches('$(x) [y] {2,} \\d', ['$(x) [y] {2?} \\d']));
  });
  it('with a space exclude the app of that name, and as in 0.1 those of each word where there is none', () => {
    assert.ok(isExcluded('my app', ['my app'], ['my app', 'my']));
    assert.ok(!isExcluded('my', ['my app'], ['my app', 'my']));
    assert.ok(isExcluded('billing', ['billing payments'], ['billing', 'web']));
    assert.ok(!isExcluded('web', ['billing payments'], ['billing', 'web']));
  });
  it('take every other character as it is', () => {
    assert.ok(matches('a.b(c)', ['a.b(c)']));
    assert.ok(!matches('axb(c)', ['a.b(c)']));
  });
});
