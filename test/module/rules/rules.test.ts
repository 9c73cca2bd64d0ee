import assert from 'node:assert/strict';
import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { StackReply, StatusReply } from '../../../contract/commandMessages.ts';
import type { Evidence, RulesReply } from '../../../contract/rules.ts';
import { command, replies } from '../../../testkit/command.ts';
import { app } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { startLoad } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

/** Apps that stand still at the same time. */
const CROWD = Array.from({ length: 10 }, (_, index) => `crowd-${index}`);

describe('pm2-ops rules', () => {
  let pm2: Pm2;
  const ports = new Map<string, number>();
  before(async () => {
    pm2 = await startWithModule();
    const scripts = {
      web: 'blocked.cjs',
      pair: 'http.cjs',
      ...Object.fromEntries(CROWD.map((name) => [name, 'stands.cjs'])),
    };
    const apps = [];
    for (const [name, script] of Object.entries(scripts)) {
      ports.set(name, await freePort());
      const cluster = name === 'pair' ? { exec_mode: 'cluster' as const, instances: 2 } : {};
      apps.push({ name, script: app(script), env: { PORT: String(ports.get(name)) }, ...cluster });
    }
    await pm2.startApp(apps);
    await untilAllAttached();
  });
  after(() => pm2.kill());

  async function untilAllAttached(): Promise<void> {
    const isDone = async () => {
      const { processes } = await moduleStatus(pm2);
      return processes.length === CROWD.length + 3 && processes.every(({ attached }) => attached);
    };
    await waitFor(isDone, {
      what: 'every app attached',
      timeoutMs: 60_000,
      everyMs: 250,
      context: () => pm2.logs('pm2-ops'),
    });
  }

  async function rules(): Promise<RulesReply> {
    const [reply] = replies<RulesReply>(await command(pm2, 'rules', '--json').then(joined));
    return reply!;
  }

  async function ask(name: string, path: string): Promise<void> {
    await fetch(`http://127.0.0.1:${ports.get(name)}${path}`).then((answer) => answer.text());
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

  /** Waits for so many pieces of evidence of a rule. */
  async function evidenceOf(rule: string, count = 1): Promise<Evidence[]> {
    return await waitFor(
      async () => {
        const found = (await rules()).evidence.filter((each) => each.rule === rule);
        return found.length >= count && found;
      },
      { what: `evidence of ${rule}`, timeoutMs: 30_000, everyMs: 250, context: () => pm2.logs('pm2-ops') },
    );
  }

  it('without a file, the built-in rules are in force', async () => {
    const { stdout } = await command(pm2, 'rules');
    assert.match(stdout, /^blocked +\* +its event loop does not turn for 2s +stack, alert +6 in 1h +armed +-$/m);
    assert.match(stdout, /^leak +\* +more than: memory grows by 10MB an hour, for 2h +leak-report/m);
    assert.match(stdout, /no file yet: .*\/pm2-ops\/rules\.json/);
    const schema = (await command(pm2, 'rules', '--schema')).stdout.trim();
    assert.equal((JSON.parse(readFileSync(schema, 'utf8')) as { title: string }).title, 'rules.json of pm2-ops');
  });

  it('a blocked event loop gets its stack by itself, with the line of the source, while it is blocked', async () => {
    await ask('web', '/block?ms=12000');
    const [{ ok, what, file = '', action, app: of } = {} as Evidence] = await evidenceOf('blocked');
    assert.deepEqual([of, action, ok], ['web', 'stack', true], what);
    assert.match(what, /a hot loop: .*blocked\.cjs:15/);
    const stack = JSON.parse(readFileSync(file, 'utf8')) as StackReply;
    assert.match(stack.stacks[0]?.frames[0]?.file ?? '', /blocked\.cjs$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { stdout } = await command(pm2, 'rules');
    assert.match(stdout, /evidence, the newest first:\n.* blocked {2}stack of web:\d {2}a hot loop/);
    assert.match(stdout, /^blocked .* firing since .*: web:\d +1 ×, last \d{4}-/m);
  });

  it('of ten apps that stand still at once, as many get their stack as the host’s limit says', async () => {
    const stands = { name: 'stands', apps: ['crowd-*'], when: { is: 'blocked' }, do: ['stack'] };
    const host = { times: 4, in: '1h' };
    await put(JSON.stringify({ host, rules: [stands, { name: 'blocked', on: false }] }), 'in-force');
    await Promise.all(CROWD.map((name) => ask(name, '/?ms=25000')));
    const found = await evidenceOf('stands', CROWD.length);
    const taken = found.filter(({ ok }) => ok);
    // One was taken of the app before.
    assert.equal(taken.length, host.times - 1, JSON.stringify(found));
    for (const { what } of taken) assert.match(what, /standstill|stands still|waits/);
    for (const { ok, code, what } of found) if (!ok) assert.match(`${code} ${what}`, /^E_BUSY the host's limit of 4/);
  });

  it('a heap dump by a rule is made of a drained instance, and no client notices', async () => {
    const full = { name: 'full', apps: ['pair'], when: { is: 'heap', above: 0.0001, for: '0s' }, do: ['heapdump'] };
    const load = startLoad({ port: ports.get('pair')!, host: '127.0.0.1', clients: 8, pauseMs: 5 });
    try {
      await put(JSON.stringify({ rules: [full] }), 'in-force');
      const [{ ok, what, file = '' } = {} as Evidence] = await evidenceOf('full');
      assert.deepEqual([ok, what], [true, 'drained, dumped, and serves again']);
      assert.ok(statSync(file).size > 1_000_000);
      const { requests, failures } = load.phase();
      assert.deepEqual([failures, requests > 100], [{}, true]);
    } finally {
      await load.stop();
    }
  });

  it('an exit by one of its causes fires, and says which app to look at', async () => {
    const killed = { name: 'killed', apps: ['web'], when: { is: 'exit', causes: ['signal'] }, do: ['alert'] };
    await put(JSON.stringify({ rules: [killed] }), 'in-force');
    process.kill((await pm2.process('web')).pid, 'SIGKILL');
    const status = await waitFor(
      async () => {
        const found = (await rules()).rules.find(({ name }) => name === 'killed');
        return found?.fired === 1 && found;
      },
      { what: 'the rule to fire', timeoutMs: 20_000, everyMs: 250, context: () => pm2.logs('pm2-ops') },
    );
    assert.deepEqual([status.state, status.firing.map(({ subject }) => subject)], ['firing', ['web']]);
  });

  it('a bad file is refused with its line, by log, status and doctor, and the last good one stays in force', async () => {
    const limit = { times: 1, in: '1d' };
    const when = { is: 'heap', above: 0.0001, for: '0s' };
    const once = { name: 'once', apps: ['pair'], when, do: ['report'], limit };
    await put(JSON.stringify({ rules: [once] }), 'in-force');
    await put('{"rules": [\n  {"name": "once", "when": {"is": "blocked"}, "do": ["heapdump"]}\n]}', 'refused');
    const reply = await rules();
    assert.deepEqual(reply.rules.at(-1)?.apps, ['pair']);
    const reason = /rules\.json:2:54: a blocked process does not answer "heapdump"/;
    assert.match(reply.problems.join('\n'), reason);
    const [status] = replies<StatusReply>(await command(pm2, 'status', '--json').then(joined));
    assert.match(status?.refusedRules?.join('\n') ?? '', reason);
    for (const name of ['status', 'doctor', 'rules']) assert.match((await command(pm2, name)).stdout, reason);
    const checked = await command(pm2, 'rules', '--check');
    assert.equal(checked.code, 1);
    assert.match(checked.stderr, reason);
  });

  it('a limit holds over a restart of the module, which forgets no evidence and no rule', async () => {
    const found = await evidenceOf('once');
    const before = pm2.logs('pm2-ops').length;
    await pm2.ok('restart', 'pm2-ops');
    const kept = /rule once: pair:\d+: .*; no evidence until \d{4}-/;
    await waitFor(() => kept.test(pm2.logs('pm2-ops').slice(before)), {
      what: 'the limit to hold',
      timeoutMs: 30_000,
      context: () => pm2.logs('pm2-ops'),
    });
    const { rules: all, fileIs } = await rules();
    assert.equal(fileIs, 'refused');
    assert.deepEqual(
      all.find(({ name }) => name === 'once')?.limited.map((each) => each.app),
      ['pair'],
    );
    assert.deepEqual(await evidenceOf('once'), found);
  });
});

/** The one reply that was printed over several lines. */
function joined<Result extends { stdout: string }>(result: Result): Result {
  return { ...result, stdout: JSON.stringify(JSON.parse(result.stdout)) };
}
