import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { app, ROOT } from '../../../testkit/folders.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import { get } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { untilAttached } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

const CLI = join(ROOT, 'dist/cli.mjs');
/** Gives a command a terminal. */
const TERMINAL = 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)';

describe('pm2-ops repl', () => {
  let pm2: Pm2;
  let port: number;
  let id: number;
  const people: ChildProcess[] = [];
  before(async () => {
    pm2 = await startWithModule();
    port = await freePort();
    await pm2.startApp([
      { name: 'web', script: app('repl.cjs'), exec_mode: 'cluster', instances: 2, env: { PORT: port } },
    ]);
    id = (await untilAttached(pm2, 'web'))[0]!.id;
  });
  after(async () => {
    for (const person of people) person.kill('SIGKILL');
    await pm2.kill();
  });

  /** Somebody who types, at a terminal or by a pipe. */
  function sit(target: string, { terminal = false } = {}) {
    const [command = '', ...words] = terminal
      ? ['python3', '-c', TERMINAL, process.execPath, CLI, 'repl', target]
      : [process.execPath, CLI, 'repl', target];
    const child = spawn(command, words, {
      env: { ...pm2.env, TERM: 'xterm', NO_COLOR: '1' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    people.push(child);
    const person = { child, said: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      person.said += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      person.stderr += text;
    });
    return {
      person,
      type: (text: string) => child.stdin.write(text),
      sees: (what: RegExp) =>
        waitFor(() => what.test(person.said), {
          what: String(what),
          timeoutMs: 20_000,
          context: () => person.said + person.stderr,
        }),
      end: async () => {
        child.stdin.end();
        if (child.exitCode === null) await once(child, 'exit');
        return { code: child.exitCode, stdout: person.said, stderr: person.stderr };
      },
    };
  }

  async function script(target: string, text: string) {
    const typed = sit(target);
    typed.type(text);
    return typed.end();
  }

  it('is off unless it was allowed, and says how', async () => {
    const { code, stderr } = await script(`web:${id}`, '1');
    assert.equal(code, 1);
    assert.match(stderr, /pm2-ops:repl is off \(E_STATE\)\n.*pm2 set pm2-ops:repl on/);
    await pm2.ok('set', 'pm2-ops:repl', 'on');
    await waitFor(async () => (await script(`web:${id}`, '1\n')).code === 0, {
      what: 'it is allowed',
      timeoutMs: 30_000,
    });
  });

  it('runs a script from a pipe inside the process, and says by its exit code whether a line threw', async () => {
    const [{ pid } = { pid: 0 }] = await pm2.processes('web');
    const good = await script(
      `web:${id}`,
      'const x = await Promise.resolve(1)\nprocess.pid + x - 1\nfunction f() {\n return cache.size\n}\nf()\n',
    );
    assert.deepEqual(good, { code: 0, stdout: `${pid}\n1\n`, stderr: '' });
    const bad = await script(String(id), 'nothing()\n2');
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /^Uncaught ReferenceError: nothing is not defined\n {4}at .*\n2\n$/);
    assert.match((await get({ port })).body, /1 cached/);
    const other = await script('web', '1');
    assert.match(other.stderr, /web has the ids \d, \d: name one of them \(E_PARAMS\)/);
    const folder = join(pm2.home, 'pm2-ops');
    assert.deepEqual(readdirSync(join(folder, 'repl')), []);
    assert.equal(statSync(join(folder, 'repl')).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, 'audit.log')).mode & 0o777, 0o600);
    const lines = readFileSync(join(folder, 'audit.log'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const line = lines.find((each) => each.line === 'nothing()');
    assert.deepEqual([line.app, line.pm_id, line.pid, line.uid], ['web', String(id), pid, process.getuid?.()]);
    assert.match(line.user, /\w/);
  });

  it('on a terminal it completes, interrupts an endless loop, and takes one person at a time', async () => {
    const first = sit(`web:${id}`, { terminal: true });
    await first.sees(/It offers: cache, started\. Ctrl-C interrupts, Ctrl-D leaves\.[\s\S]*web:\d+> /);
    first.type('cach\t');
    await first.sees(/cache$/m);
    first.type('.get("answer")\r');
    await first.sees(/42/);
    const second = await script(`web:${id}`, '1');
    assert.equal(second.code, 1);
    assert.match(second.stderr, /has had a REPL open in this process since .* \(E_BUSY\)/);
    first.type('for (;;);\r');
    await waitFor(async () => blocked(await pm2.processes('web'), id), { what: 'it loops' });
    first.type('\x03');
    await first.sees(/Interrupted/);
    first.type('cache.set("more", 1).size\r');
    await first.sees(/\n2\r?\n/);
    first.type('\x04');
    await once(first.person.child, 'exit');
    assert.equal(first.person.child.exitCode, 0, first.person.said);
    const history = join(pm2.home, 'pm2-ops', 'repl_history');
    assert.equal(statSync(history).mode & 0o777, 0o600);
    assert.match(readFileSync(history, 'utf8'), /cache\.set/);
  });

  it('ends with what was typed, with a detach and with the module; the app serves on', async () => {
    const exiting = await script(`web:${id}`, '1\nprocess.exit()\n2\n');
    assert.equal(exiting.code, 1);
    assert.match(exiting.stderr, /the process has ended/);
    assert.match(readFileSync(join(pm2.home, 'pm2-ops', 'audit.log'), 'utf8'), /"line":"process\.exit\(\)"/);
    await pm2.online('web', 2);
    await untilAttached(pm2, 'web');
    const detached = sit(`web:${id}`, { terminal: true });
    await detached.sees(/web:\d+> /);
    await pm2.triggerOne('pm2-ops', 'detach', `id=${id}`);
    await detached.sees(/pm2-ops leaves this process: it was told to detach/);
    await waitFor(() => detached.person.child.exitCode === 1, { what: 'the command ends' });
    await pm2.triggerOne('pm2-ops', 'attach', `id=${id}`);
    await untilAttached(pm2, 'web');
    const killed = sit(`web:${id}`, { terminal: true });
    await killed.sees(/web:\d+> /);
    killed.type('for (;;);\r');
    await waitFor(async () => blocked(await pm2.processes('web'), id), { what: 'it loops' });
    killed.person.child.kill('SIGKILL');
    await waitFor(async () => (await script(`web:${id}`, '1 + 1\n')).stdout === '2\n', {
      what: 'another one comes in',
      timeoutMs: 20_000,
    });
    assert.equal(existsSync(join(pm2.home, 'pm2-ops', 'repl')), true);
    assert.equal((await get({ port })).status, 200);
    assert.equal(pm2.logs('web').includes('Uncaught'), false);
  });
});

/** In its own code, and not waiting. */
function blocked(processes: { pm_id: number; pid: number }[], id: number): boolean {
  const pid = processes.find(({ pm_id }) => pm_id === id)?.pid;
  return /^(running|-1)/.test(readFileSync(`/proc/${pid}/syscall`, 'utf8'));
}
