import assert from 'node:assert/strict';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { StackReply, StatusReply } from '../../../contract/commandMessages.ts';
import type { Evidence, RulesReply } from '../../../contract/rules.ts';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

describe('pm2-ops rules', () => {
  let pm2: Pm2;
  const ports = new Map<string, number>();
  before(async () => {
    pm2 = await startWithModule();
    const apps = [];
    for (const name of ['web', 'api']) {
      const port = await freePort();
      ports.set(name, port);
      apps.push({ name, script: app('blocked.cjs'), env: { PORT: String(port) } });
    }
    await pm2.startApp(apps);
    for (const { name } of apps) await untilAttached(pm2, name);
  });
  after(() => pm2.kill());

  async function rules(): Promise<RulesReply> {
    const [reply] = replies<RulesReply>(await command(pm2, 'rules', '--json').then(joined));
    return reply!;
  }

  async function block(name: string, ms: number): Promise<void> {
    await fetch(`http://127.0.0.1:${ports.get(name)}/block?ms=${ms}`).then((answer) => answer.text());
  }

  /** Puts a file of rules in its place, and waits until the module has read it. */
  async function put(text: string, is: RulesReply['fileIs']): Promise<void> {
    const file = join(pm2.home, 'pm2-ops', 'rules.json');
    const before = pm2.logs('pm2-ops').length;
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
    const line = is === 'refused' ? /rules\.json is refused/ : /rules\.json is in force/;
    await waitFor(() => line.test(pm2.logs('pm2-ops').slice(before)), { what: `the file to be ${is}` });
    assert.equal((await rules()).fileIs, is);
  }

  async function evidenceOf(name: string, isMeant: (evidence: Evidence) => boolean): Promise<Evidence> {
    return await waitFor(async () => (await rules()).evidence.find((each) => each.app === name && isMeant(each)), {
      what: `evidence of ${name}`,
      timeoutMs: 20_000,
      everyMs: 250,
      context: () => pm2.logs('pm2-ops'),
    });
  }

  it('without a file, the built-in rules are in force', async () => {
    const { stdout } = await command(pm2, 'rules');
    assert.match(stdout, /^blocked +\* +its event loop does not turn for 2s +stack, alert +6 in 1h +armed +-$/m);
    assert.match(stdout, /^leak +\* +more than: memory grows by 10MB an hour, for 2h +leak-report/m);
    assert.match(stdout, /no file yet: .*\/pm2-ops\/rules\.json/);
  });

  it('a blocked event loop gets its stack, with the line of the source, while it is blocked', async () => {
    await block('web', 6_000);
    const status = await command(pm2, 'status');
    assert.match(status.stdout, /blocked/);
    const { ok, what, file = '', rule, action } = await evidenceOf('web', () => true);
    assert.deepEqual([rule, action, ok], ['blocked', 'stack', true], what);
    assert.match(what, /a hot loop: .*blocked\.cjs:15/);
    const stack = JSON.parse(readFileSync(file, 'utf8')) as StackReply;
    assert.match(stack.stacks[0]?.frames[0]?.file ?? '', /blocked\.cjs$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { stdout } = await command(pm2, 'rules');
    assert.match(stdout, /evidence, the newest first:\n.* blocked {2}stack of web:1 {2}a hot loop/);
    assert.match(stdout, /^blocked .* 1 ×, last \d{4}-/m);
  });

  it('a bad file is refused with its line, by log, status and doctor, and the last good one stays in force', async () => {
    const limit = { times: 1, in: '1d' };
    await put(
      JSON.stringify({ rules: [{ name: 'once', apps: ['api'], when: { is: 'blocked' }, do: ['stack'], limit }] }),
      'in-force',
    );
    await put('{"rules": [\n  {"name": "once", "when": {"is": "blocked"}, "do": ["heapdump"]}\n]}', 'refused');
    const reply = await rules();
    assert.deepEqual(reply.rules.at(-1)?.apps, ['api']);
    const reason = /rules\.json:2:54: a blocked process does not answer "heapdump"/;
    assert.match(reply.problems.join('\n'), reason);
    const [status] = replies<StatusReply>(await command(pm2, 'status', '--json').then(joined));
    assert.match(status?.refusedRules?.join('\n') ?? '', reason);
    assert.match((await command(pm2, 'status')).stdout, reason);
    assert.match((await command(pm2, 'doctor')).stdout, reason);
    assert.match((await command(pm2, 'rules')).stdout, reason);
    const checked = await command(pm2, 'rules', '--check');
    assert.equal(checked.code, 1);
    assert.match(checked.stderr, reason);
  });

  it('a limit holds over a restart of the module, which forgets no evidence', async () => {
    await block('api', 5_000);
    await command(pm2, 'status');
    await evidenceOf('api', ({ rule }) => rule === 'once');
    await pm2.ok('restart', 'pm2-ops');
    await untilAttached(pm2, 'api');
    const { rules: all, evidence } = await rules();
    const once = all.find(({ name }) => name === 'once');
    assert.deepEqual([once?.state, once?.fired, once?.limited.map((each) => each.app)], ['limited', 1, ['api']]);
    assert.equal(evidence.filter(({ rule }) => rule === 'once').length, 1);
    await block('api', 5_000);
    await command(pm2, 'status');
    await waitFor(() => /rule once: api:2: .*; no evidence until \d{4}-/.test(pm2.logs('pm2-ops')), {
      what: 'the limit to hold',
      context: () => pm2.logs('pm2-ops'),
    });
    assert.equal((await rules()).evidence.filter(({ rule }) => rule === 'once').length, 1);
  });
});

/** The one reply that was printed over several lines. */
function joined<Result extends { stdout: string }>(result: Result): Result {
  return { ...result, stdout: JSON.stringify(JSON.parse(result.stdout)) };
}
