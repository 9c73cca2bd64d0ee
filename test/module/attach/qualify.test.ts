import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { qualify } from '../../../module/attach/index.ts';
import { type App, app, assertUntouched, attacher, file, IDLE, LOAD, NODES, run, until } from './harness.ts';

/** Waits until a program runs in a process, instead of the copy of ours that starts it. */
async function started(program: App, name: RegExp): Promise<App> {
  await until('the program runs', () => {
    const verdict = qualify(program.pid);
    return !verdict.fit && verdict.code === 'not-node' && name.test(verdict.reason);
  });
  return program;
}

async function assertLeftAlone(program: App, code: string, reason: RegExp): Promise<void> {
  const outcome = await attacher().attach(program.pid, LOAD);
  assert.ok(!outcome.ok);
  assert.equal(outcome.code, code);
  assert.match(outcome.reason, reason);
  assertUntouched(program);
}

test('a shell is left alone', async () => {
  await assertLeftAlone(
    await started(run('/bin/sh', ['-c', 'while :; do sleep 1; done']), /./),
    'not-node',
    /^not Node \(/,
  );
});

test('Python is left alone and named', async () => {
  const python = await started(run('python3', ['-c', 'import time; time.sleep(60)']), /python/);
  await assertLeftAlone(python, 'not-node', /not Node \(python3/);
});

test('a compiled program that catches SIGUSR1 is left alone, also when it is called node', async () => {
  const source = file(
    'catcher.c',
    '#include <signal.h>\n#include <unistd.h>\nstatic void h(int s) { write(2, "called", 6); }\n' +
      'int main(void) { signal(SIGUSR1, h); for (;;) pause(); }\n',
  );
  const program = file('node', '');
  execFileSync('cc', ['-o', program, source]);
  await assertLeftAlone(await started(run(program, []), /node\)/), 'not-node', /not Node/);
});

test('a process that is gone is not there to be attached', async () => {
  const brief = run('/bin/true', []);
  await until('it ends', () => brief.child.exitCode !== null);
  const outcome = await attacher().attach(brief.pid, LOAD);
  assert.equal(!outcome.ok && outcome.code, 'gone');
});

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  test(`Node ${version} fits, whatever its file is called`, async () => {
    const renamed = file('worker', '');
    copyFileSync(node, renamed);
    chmodSync(renamed, 0o755);
    const { pid } = await app(IDLE, { node: renamed });
    const verdict = qualify(pid);
    assert.ok(verdict.fit, JSON.stringify(verdict));
    assert.equal(verdict.blind, false, 'the signal handlers of this build can be read');
  });

  test(`Node ${version} that is booting is not signalled`, async () => {
    const booting = run('/bin/sh', ['-c', `kill -STOP $$; exec ${node} -e "setInterval(() => {}, 60000)"`]);
    await until('the shell has stopped', () => /^State:\s+T/m.test(statusOf(booting.pid)));
    const attach = attacher();
    process.kill(booting.pid, 'SIGCONT');
    const codes = new Set<string>();
    const outcome = await until('it is attached', async () => {
      const verdict = qualify(booting.pid);
      if (!verdict.fit) codes.add(verdict.code);
      const result = await attach.attach(booting.pid, LOAD);
      assert.equal(booting.child.signalCode, null, 'it was killed by the signal');
      return result.ok && result;
    });
    assert.equal(outcome.ok, true);
    assert.ok(codes.has('booting'), `seen only: ${[...codes]}`);
  });

  test(`Node ${version}: an app with its own SIGUSR1 handler never gets the signal`, async () => {
    const own = await app(`${IDLE} process.on('SIGUSR1', () => { console.error('called'); });`, { node });
    await assertLeftAlone(own, 'own-sigusr1-handler', /SIGUSR1 handler of its own/);
  });

  test(`Node ${version}: a SIGUSR1 handler among many others is found`, async () => {
    const signals = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR2', 'SIGWINCH', 'SIGCONT', 'SIGUSR1', 'SIGPIPE', 'SIGALRM'];
    const own = await app(
      `${IDLE} for (const s of ${JSON.stringify(signals)}) process.on(s, () => console.error(s));`,
      {
        node,
      },
    );
    await assertLeftAlone(own, 'own-sigusr1-handler', /SIGUSR1 handler of its own/);
  });

  test(`Node ${version}: handlers of other signals are no obstacle`, async () => {
    const other = await app(`${IDLE} for (const s of ['SIGINT', 'SIGUSR2', 'SIGTERM']) process.on(s, () => {});`, {
      node,
    });
    const outcome = await attacher().attach(other.pid, LOAD);
    assert.ok(outcome.ok, JSON.stringify(outcome));
  });

  test(`Node ${version}: an app that took its SIGUSR1 handler back is left alone, for the signal would kill it`, async () => {
    const own = await app(
      `${IDLE} const f = () => {}; process.on('SIGUSR1', f); process.removeListener('SIGUSR1', f);`,
      { node },
    );
    const outcome = await attacher().attach(own.pid, LOAD);
    assert.equal(outcome.ok, false);
    assertUntouched(own);
  });

  for (const flag of ['--disable-sigusr1', '--permission']) {
    const supported = execFileSync(node, ['-p', `process.allowedNodeEnvironmentFlags.has('${flag}')`]).toString();
    if (!supported.startsWith('true')) continue;
    test(`Node ${version} started with ${flag} is left alone and never tried again`, async () => {
      const script = file('app.cjs', 'console.log("up"); setInterval(() => {}, 60_000);');
      const words = flag === '--permission' ? [flag, '--allow-fs-read=*'] : [flag];
      const disabled = run(node, [...words, script]);
      await until('it is up', () => disabled.stdout() === 'up\n');
      const outcome = await attacher().attach(disabled.pid, LOAD);
      assert.ok(!outcome.ok);
      assert.equal(outcome.code, 'sigusr1-disabled');
      assert.match(outcome.reason, new RegExp(flag));
      assert.equal(outcome.retryAfterMs, null);
      assert.equal(disabled.child.exitCode ?? disabled.child.signalCode, null);
    });
  }

  test(`Node ${version} that is stopped is not signalled`, async () => {
    const stopped = await app(IDLE, { node });
    stopped.child.kill('SIGSTOP');
    await until('it has stopped', () => /^State:\s+T/m.test(statusOf(stopped.pid)));
    const outcome = await attacher().attach(stopped.pid, LOAD);
    assert.equal(!outcome.ok && outcome.code, 'stopped');
    stopped.child.kill('SIGCONT');
    assert.deepEqual(await stopped.ask('loaded'), { value: null });
    assertUntouched(stopped);
  });

  test(`Node ${version} whose signal handlers cannot be read gets one signal in its life, across restarts`, async () => {
    // The same binary without its table of local symbols.
    const stripped = file('node', '');
    execFileSync('strip', ['-o', stripped, node]);
    const blind = await app(IDLE, { node: stripped });
    const verdict = qualify(blind.pid);
    assert.ok(verdict.fit && verdict.blind, JSON.stringify(verdict));
    const first = attacher();
    const one = await first.attach(blind.pid, LOAD);
    assert.ok(one.ok, JSON.stringify(one));
    await first.close();
    const outcome = await attacher({ stateDir: first.stateDir }).attach(blind.pid, LOAD);
    assert.ok(!outcome.ok);
    assert.equal(outcome.code, 'signalled-before');
    assert.match(outcome.reason, /may signal the process only once/);
    assert.equal(outcome.retryAfterMs, null);
  });
}

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8');
}
