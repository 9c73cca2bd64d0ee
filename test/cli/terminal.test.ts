import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command } from '../../testkit/command.ts';
import { app, ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { run } from '../../testkit/run.ts';
import type { ModuleStatus } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const NAME = 'web\n\u001b]0;owned\u0007\u009b31m\u202e订单';
const SHOWN = 'web\\n\\u001b]0;owned\\u0007\\u009b31m\\u202e订单';
/** What a terminal obeys, or what hides; line breaks are looked at apart. */
const CONTROL = /(?!\n)[\p{Cc}\p{Cs}\p{Cf}\p{Zl}\p{Zp}]/u;
const CLI = join(ROOT, 'dist/cli.mjs');
/** Runs a command on a terminal of its own. */
const TERMINAL = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';

describe('nothing that an app says reaches a terminal as it is', () => {
  let pm2: Pm2;
  let id: number;
  before(async () => {
    pm2 = await startWithModule();
    await pm2.ok('set', 'pm2-ops:repl', 'on');
    await pm2.online('pm2-ops');
    const port = await freePort();
    const script = app('escapes.cjs');
    const apps = await pm2.startApp({ name: NAME, script, instances: 2, exec_mode: 'cluster', env: { PORT: port } });
    id = apps[0]!.pm_id;
    await waitFor(
      async () => {
        const { processes } = JSON.parse((await command(pm2, 'status', '--json')).stdout) as ModuleStatus;
        return processes.filter(({ name, attached }) => name === NAME && attached).length === 2;
      },
      { what: 'both attached', timeoutMs: 20_000, context: () => pm2.logs('pm2-ops') },
    );
  });
  after(() => pm2.kill());

  const assertClean = (text: string) => {
    assert.doesNotMatch(text, CONTROL);
    assert.doesNotMatch(text, /^FAKE/m);
    assert.doesNotMatch(text, /hunter2/);
  };

  for (const line of [
    ['status'],
    ['doctor'],
    ['ops-status', NAME],
    ['attach', NAME],
    ['attach', `${NAME}?`],
    ['heapdum', NAME],
    ['cpu-profile', '0', '--seconds', '1'],
    ['stack', '0'],
    ['heapdump', NAME, 'timeout=0'],
  ]) {
    it(line.join(' ').replaceAll(NAME, 'NAME'), async () => {
      const { stdout, stderr } = await command(pm2, ...line.map((word) => (word === '0' ? String(id) : word)));
      assert.notEqual(stdout + stderr, '');
      assertClean(stdout);
      assertClean(stderr);
    });
  }

  it('status shows what the name is, in one row whose columns are where those of others are', async () => {
    const { stdout } = await command(pm2, 'status');
    const rows = stdout.split('\n').filter((row) => row.includes(SHOWN));
    assert.equal(rows.length, 2, stdout);
    assert.match(rows[0]!, /cluster +online +attached +serving/);
  });

  it('JSON is JSON of what the app says, and shows nothing to the terminal either', async () => {
    for (const line of [['status'], ['ops-status', String(id)], ['stack', String(id)], ['doctor']]) {
      const { stdout } = await command(pm2, ...line, '--json');
      assertClean(stdout);
      const reply = JSON.parse(stdout) as { processes?: { name: string }[]; name?: string };
      if (line[0] !== 'doctor') assert.equal(reply.processes?.[0]?.name ?? reply.name, NAME);
    }
  });

  it('on a terminal there are our own colours, and nothing else', async () => {
    const { NO_COLOR: _none, ...env } = pm2.env;
    const { stdout } = await run('python3', ['-c', TERMINAL, process.execPath, CLI, 'status'], { env });
    const [green, over] = ['\u001b[32m', '\u001b[39m'];
    assert.ok(stdout.includes(`${green}attached${over}`), stdout);
    assertClean(stdout.replaceAll(green, '').replaceAll(over, '').replaceAll('\r\n', '\n'));
  });

  it('a deploy that fails says why, without the secrets in what it said last', async () => {
    const bad = { env: { ...pm2.env, BAD: '1' }, timeoutMs: 60_000 };
    for (const flags of [[], ['--json']]) {
      const { code, stdout, stderr } = await run(
        process.execPath,
        [CLI, 'reload', NAME, '--update-env', ...flags],
        bad,
      );
      assert.equal(code, 1);
      assert.match(stdout + stderr, /DB_PASSWORD=\[redacted\] was refused/);
      assert.match(stdout + stderr, /postgres:\/\/app:\[redacted\]@db\/app/);
      assertClean(stdout);
      assertClean(stderr);
    }
  });

  it('replies that PM2 prints itself', async () => {
    for (const action of ['cpu-profile', 'ops-status']) {
      const { stdout } = await pm2.ok(
        'trigger',
        String(id),
        action,
        'seconds=1'.slice(0, action === 'cpu-profile' ? 9 : 0),
      );
      const printed = stdout.slice(stdout.indexOf(']=') + 2);
      assert.match(printed, /"ok":true/);
      // The name in front of it is PM2's.
      assertClean(printed);
    }
    const { stdout } = await pm2.ok('trigger', 'pm2-ops', 'status');
    assertClean(stdout.slice(stdout.indexOf(']=')));
  });

  it('what a REPL prints', async () => {
    const child = spawn(process.execPath, [CLI, 'repl', String(id)], { env: pm2.env });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    child.stdin.end('console.log(nasty)\nnasty\n({ [nasty]: 1 })\nthrow new Error(nasty)\n');
    await once(child, 'close');
    assert.match(said, /\\u001b\[2J\\u009b31m/);
    assert.doesNotMatch(said, CONTROL);
  });

  it("the module's log", async () => {
    const log = pm2.logs('pm2-ops').replaceAll(/^---.*$/gm, '');
    assert.ok(log.includes(`attached to ${SHOWN} (id ${id}, `), log);
    assertClean(log);
  });
});
