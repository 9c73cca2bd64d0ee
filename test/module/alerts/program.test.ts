import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import type { Alert } from '../../../contract/alerts.ts';
import { createProgram, whyRefused } from '../../../module/alerts/program.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import { anAlert } from './records.ts';

describe('a program that gets alerts', () => {
  let folder: string;
  before(() => {
    folder = tempFolder();
  });
  let programs = 0;
  function program(script: string, mode = 0o700): string {
    programs += 1;
    const file = join(folder, `program-${programs}`);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, mode);
    return file;
  }
  const run = (file: string, withinMs = 10_000) =>
    createProgram(file, withinMs).deliver(anAlert(), new AbortController().signal);
  const isAlive = (pid: number) => existsSync(`/proc/${pid}`);

  it('reads it as one line of JSON from stdin, and finds nothing of the daemon’s environment', async () => {
    process.env.DB_PASSWORD = 'correct-horse';
    const [seen, environment] = [join(folder, 'seen'), join(folder, 'environment')];
    const file = program(`cat > ${seen}; env > ${environment}; node -e 0`);
    assert.deepEqual(await run(file), { ok: true, said: `${file} exited with 0` });
    delete process.env.DB_PASSWORD;
    const { id, title } = JSON.parse(readFileSync(seen, 'utf8')) as Alert;
    assert.deepEqual([id, title], ['one', 'web (id 3): uncaught Error: boom']);
    const names = readFileSync(environment, 'utf8').match(/^\w+(?==)/gm);
    assert.deepEqual(new Set(names), new Set(['PATH', 'HOME', 'LANG', 'PWD', ...(names?.includes('_') ? ['_'] : [])]));
  });

  it('need not read it', async () => {
    assert.equal((await run(program('exec 0<&-; exit 0'))).ok, true);
  });

  it('that fails is told with its exit code and its last line, without secrets', async () => {
    const file = program('echo "first"; echo "password=correct-horse nobody listens" >&2; exit 3');
    assert.deepEqual(await run(file), {
      ...{ ok: false, isRejected: true },
      said: `${file} exited with 3: password=[redacted] nobody listens`,
    });
  });

  it('that hangs is killed after its time, together with its children', async () => {
    const pids = join(folder, 'pids');
    const file = program(`sleep 1000 & echo $! > ${pids}; echo $$ >> ${pids}; wait`);
    assert.match((await run(file, 500)).said, /was killed with its children: it took longer than 500 ms/);
    const [child, itself] = readFileSync(pids, 'utf8').trim().split('\n').map(Number);
    assert.ok(child && itself);
    await waitFor(() => !isAlive(child) && !isAlive(itself), { what: 'the end of the program and its child' });
  });

  it('is killed when the module ends', async () => {
    const pids = join(folder, 'ended');
    const ending = new AbortController();
    const outcome = createProgram(program(`echo $$ > ${pids}; exec sleep 1000`)).deliver(anAlert(), ending.signal);
    await waitFor(() => existsSync(pids) && readFileSync(pids, 'utf8').endsWith('\n'), { what: 'its start' });
    ending.abort();
    assert.equal((await outcome).ok, false);
    assert.equal(isAlive(Number(readFileSync(pids, 'utf8'))), false);
  });

  it('may write as much as it likes, and leave a child behind that holds its output open', async () => {
    const file = program('head -c 50000000 /dev/zero; sleep 2 & exit 1');
    const { said } = await run(file);
    assert.ok(said.length < 500);
  });

  it('is not run where another user can change it or put another one in its place', async () => {
    const marker = join(folder, 'was-run');
    const refused = async (file: string, reason: RegExp) => {
      const { ok, said } = await run(file);
      assert.equal(ok, false);
      assert.match(said, reason);
      assert.equal(existsSync(marker), false);
    };
    await refused(program(`touch ${marker}`, 0o720), /another user can change \S+program-\d+/);
    await refused(program(`touch ${marker}`, 0o702), /another user can change/);
    const open = join(folder, 'open');
    mkdirSync(open);
    const inOpen = join(open, 'program');
    writeFileSync(inOpen, `#!/bin/sh\ntouch ${marker}\n`, { mode: 0o700 });
    chmodSync(open, 0o777);
    await refused(inOpen, /another user can change \S+open;/);
    const link = join(folder, 'link');
    symlinkSync(inOpen, link);
    await refused(link, /another user can change \S+open;/);
    await refused(program(`touch ${marker}`, 0o600), /is not executable/);
    await refused(folder, /is no regular file/);
    await refused(join(folder, 'missing'), /cannot be run: ENOENT/);
    assert.equal(whyRefused(process.execPath), undefined);
  });

  it('that belongs to another user is not run', { skip: process.getuid?.() !== 0 && 'needs root' }, async () => {
    const { chownSync } = await import('node:fs');
    const file = program('exit 0');
    chownSync(file, 65_534, 65_534);
    assert.match((await run(file)).said, /another user can change/);
  });
});
