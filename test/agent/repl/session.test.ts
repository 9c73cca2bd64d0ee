// The part inside the app, without PM2: what typed code can do to it, and what not.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { type ClientFrame, frameReader, type ServerFrame } from '../../../contract/replFrames.ts';
import type { ReplData } from '../../../contract/replRequest.ts';
import {
  ANSWERING,
  type App,
  app,
  cleanup,
  GUARD,
  IDLE,
  NODES,
  stateFolder,
  until,
} from '../../module/attach/harness.ts';

const PARTS = Object.fromEntries(
  ['main', 'worker'].map((part) => {
    const { outputFiles } = buildSync({
      entryPoints: [fileURLToPath(new URL(`../../../agent/repl/${part}.ts`, import.meta.url))],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      write: false,
      logLevel: 'error',
    });
    return [part, outputFiles[0]!.text];
  }),
);

const OPENING = `process.on('message', ({ open, close }) => {
  if (close) return globalThis.repl.close(close);
  if (!open) return;
  const module = { exports: {} };
  new Function('module', 'exports', 'require', open.main)(module, module.exports, require);
  module.exports.open(open.options, () => { globalThis.closed = true; }).then(
    (repl) => { globalThis.repl = repl; process.send('opened'); },
    (error) => process.send({ failed: String(error) }),
  );
});
globalThis.mine = { list: [1, 2, 3] };
globalThis[Symbol.for('pm2-ops.repl')] = () => ({ cache: new Map([['answer', 42]]) });`;

interface Opened extends App {
  data: ReplData;
}

async function opened(source: string, node = NODES[0]!, options: Partial<ReplData> = {}): Promise<Opened> {
  const folder = stateFolder();
  const data: ReplData = {
    folder: join(folder, 'repl'),
    socket: join(folder, 'repl', 'r.sock'),
    token: 'token',
    audit: join(folder, 'audit.log'),
    idleMs: 60_000,
    comesWithinMs: 20_000,
    who: { user: 'tester', uid: 0, app: 'web', pm_id: '0', pid: 1 },
    ...options,
  };
  const started = await app(`${ANSWERING} ${OPENING} ${source}`, { node });
  const answer = new Promise<unknown>((resolve) => started.child.once('message', resolve));
  started.child.send({ open: { main: PARTS.main, options: { ...data, worker: PARTS.worker } } });
  assert.equal(await answer, 'opened', started.stderr());
  return { ...started, data };
}

/** Somebody who types. */
class Typist {
  printed = '';
  ended = '';
  isOver = false;
  names: string[] = [];
  private dones: string[] = [];
  private completions: string[] | undefined;
  private readonly socket: Socket;

  constructor({ socket, token }: ReplData, hello = token) {
    this.socket = connect(socket);
    const read = frameReader<ServerFrame>((frame) => {
      if ('print' in frame) this.printed += frame.print;
      else if ('done' in frame) this.dones.push(frame.done);
      else if ('completions' in frame) this.completions = frame.completions[0];
      else if ('end' in frame) this.ended = frame.end;
      else this.names = frame.ready.names;
    });
    this.socket.setEncoding('utf8').on('data', read as unknown as (chunk: Buffer) => void);
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isOver = true;
    });
    this.say({ hello, columns: 80, colours: false });
    cleanup(() => this.leave());
  }

  say(frame: ClientFrame): void {
    this.socket.write(`${JSON.stringify(frame)}\n`);
  }

  start(code: string): void {
    this.printed = '';
    this.dones = [];
    this.say({ run: code });
  }

  async over(): Promise<{ how: string; printed: string }> {
    const how = await until(`it is done; printed: ${this.printed}`, () => this.dones.shift());
    return { how, printed: this.printed };
  }

  run(code: string): Promise<{ how: string; printed: string }> {
    this.start(code);
    return this.over();
  }

  async complete(line: string): Promise<string[]> {
    this.completions = undefined;
    this.say({ complete: line });
    return until('names are offered', () => this.completions);
  }

  leave(): void {
    this.socket.destroy();
  }
}

const ok = (printed: string) => ({ how: 'ok', printed });

for (const node of NODES) {
  const name = node.includes('node-') ? node.match(/node-\d+/)?.[0] : process.version;

  test(`${name}: typed code is evaluated with await, declarations, the app's globals and what it offers`, async () => {
    const target = await opened(IDLE, node);
    const { data } = target;
    assert.equal(statSync(data.socket).mode & 0o777, 0o600);
    assert.equal(statSync(data.folder).mode & 0o777, 0o700);
    const typist = new Typist(data);
    assert.deepEqual(await typist.run('1 + 1'), ok('2\n'));
    assert.deepEqual(typist.names, ['cache']);
    assert.equal(existsSync(data.socket), false, 'nobody else can come in');
    assert.deepEqual(await typist.run('const x = await Promise.resolve(20)'), ok(''));
    assert.deepEqual(await typist.run('const x = 21'), ok(''));
    assert.deepEqual(await typist.run('_; x * 2'), ok('42\n'));
    assert.deepEqual(await typist.run("cache.get('answer') + _"), ok('84\n'));
    assert.deepEqual(await typist.run('mine.list.push(4); ({ list: mine.list })'), ok('{ list: [ 1, 2, 3, 4 ] }\n'));
    assert.deepEqual(await typist.run('{ a: 1 }'), ok('{ a: 1 }\n'));
    assert.deepEqual(await typist.run('function twice(n) {'), { how: 'incomplete', printed: '' });
    assert.deepEqual(await typist.run('function twice(n) {\nreturn n * 2 }\ntwice(4)'), ok('8\n'));
    assert.deepEqual(await typist.run("require('node:path').sep + (await import('node:path')).sep"), ok("'//'\n"));
    assert.deepEqual(await typist.run('console.log("said"); process.pid'), ok(`said\n${target.pid}\n`));
    assert.match(
      (await typist.run('nothing.there')).printed,
      /^Uncaught ReferenceError: nothing is not defined\n {4}at pm2-ops-repl-\d+:1:1\n$/,
    );
    assert.equal((await typist.run("JSON.parse('{')")).how, 'error');
    assert.deepEqual(await typist.complete('cache.g'), ['get']);
    assert.deepEqual(await typist.complete('mine.li'), ['list']);
    assert.deepEqual(await typist.complete('mine.list.push(5).'), []);
    assert.ok((await typist.complete('tw')).includes('twice'));
    assert.deepEqual(await typist.run('mine.list.length'), ok('4\n'), 'completion has no side effect');
    // Nothing of it is the app's, whose own globals are as they were.
    assert.deepEqual(await target.ask('x'), { value: null });
    assert.deepEqual(await target.ask('twice'), { value: null });
    const lines = readFileSync(data.audit, 'utf8').trim().split('\n');
    assert.equal(statSync(data.audit).mode & 0o777, 0o600);
    const { time, ...line } = JSON.parse(lines[1]!) as Record<string, unknown>;
    assert.ok(Date.parse(String(time)) > 0);
    assert.deepEqual(line, { action: 'repl', user: 'tester', uid: 0, app: 'web', pm_id: '0', pid: 1, line: '1 + 1' });
    await typist.run('"\u001b[31m\u009b"');
    const controls = [...readFileSync(data.audit, 'utf8')].filter((each) => /\p{Cc}/u.test(each) && each !== '\n');
    assert.deepEqual(controls, []);
    typist.leave();
    assert.deepEqual(await until('it is closed', async () => (await target.ask('closed')).value), true);
    assert.equal(target.stderr(), '');
    assert.equal(target.stdout(), '');
  });

  test(`${name}: endless loops are interrupted, and errors survived, wherever they come from`, async () => {
    const target = await opened(`${IDLE} globalThis.beats = 0; setInterval(() => { globalThis.beats++; }, 5);`, node);
    const typist = new Typist(target.data);
    await typist.run('1');
    for (const loop of [
      'for (;;);',
      `/^(a+)+$/.test('a'.repeat(60) + 'b')`,
      'await null; for (;;);',
      'await new Promise(() => {})',
      'setTimeout(() => { for (;;); }, 1); await new Promise(() => {})',
    ]) {
      typist.start(loop);
      await sleep(100);
      // Until it takes: the first may come before the loop has begun.
      let over: { how: string } | undefined;
      void typist.over().then((result) => {
        over = result;
      });
      typist.say({ interrupt: true });
      await until(`interrupted: ${loop}`, () => over);
      assert.equal(over?.how, 'error');
      assert.match(typist.printed, /Interrupted/);
      const { value: before } = await target.ask('beats');
      await until('the app goes on', async () => Number((await target.ask('beats')).value) > Number(before));
    }
    const errors: [code: string, expected: RegExp][] = [
      ['throw new Error("one")', /Uncaught Error: one/],
      ['setTimeout(5)', /Uncaught TypeError: the callback is no function/],
      ['setTimeout(() => { throw new Error("two") }); 1', /Uncaught Error: two/],
      ['Promise.reject(new Error("three"))', /in promise\) Error: three/],
      ['process.nextTick(() => { throw new Error("four") }); 1', /Uncaught Error: four/],
      [`require('node:fs').readFile('/nowhere', () => { throw new Error('five') }); 1`, /Uncaught Error: five/],
      ['queueMicrotask(() => nothing()); 1', /nothing is not defined/],
      ['(async () => { await null; throw new Error("seven") })(); 1', /Uncaught Error: seven/],
    ];
    for (const [code, expected] of errors) {
      await typist.run(code);
      await until(`it says so: ${code}; ${typist.printed}`, () => expected.test(typist.printed));
    }
    // Also what loops when nothing is waited for, and what stays of it is stopped with the session.
    assert.deepEqual(
      await typist.run(
        'setTimeout(() => { for (;;); }); setInterval(() => { mine.ticks = 1 + (mine.ticks ?? 0); }, 5); 1',
      ),
      ok('1\n'),
    );
    await until('it is interrupted', async () => {
      typist.say({ interrupt: true });
      await sleep(200);
      return typist.printed.includes('Interrupted');
    });
    // What was interrupted in time for it must not hit what runs next.
    for (let round = 0; round < 10; round++) {
      typist.start('for (const end = Date.now() + 20; Date.now() < end; );');
      await sleep(18 + Math.random() * 4);
      typist.say({ interrupt: true });
      await typist.over();
    }
    assert.deepEqual(await typist.run('6 * 7'), ok('42\n'));
    typist.leave();
    await until('it is closed', async () => (await target.ask('closed')).value);
    const { value: before } = (await target.ask('mine')) as { value: { ticks: number } };
    assert.ok(before.ticks > 0);
    await sleep(50);
    assert.deepEqual((await target.ask('mine')).value, before);
    assert.equal(target.child.exitCode, null);
    assert.equal(target.stderr(), '');
  });

  test(`${name}: a client that is killed leaves no loop behind, and the app's end is as without a session`, async () => {
    const finishing = await opened('process.once("message", () => {});', node);
    const crashing = await opened(
      `${IDLE} process.on('message', ({ crash }) => { if (crash) setTimeout(() => { throw new Error('mine'); }); });`,
      node,
    );
    const looping = await opened(IDLE, node);
    const typists = [finishing, crashing, looping].map(({ data }) => new Typist(data));
    for (const typist of typists) await typist.run('1');
    crashing.child.send({ crash: true });
    await once(crashing.child, 'exit');
    assert.equal(crashing.child.exitCode, 1);
    assert.match(crashing.stderr(), /^Error: mine\n {4}at Timeout/m);
    finishing.child.disconnect();
    if (finishing.child.exitCode === null) await once(finishing.child, 'exit');
    assert.equal(finishing.child.exitCode, 0, 'an open session keeps no process alive');
    typists[2]!.start('for (;;);');
    await sleep(100);
    typists[2]!.leave();
    assert.deepEqual(await until('it is closed', async () => (await looping.ask('closed')).value), true);
    assert.match(readFileSync(looping.data.audit, 'utf8'), /"event":"closed","reason":"its client left"/);
  });
}

test('a loop in a callback that Node calls is left alone, and that is said, with what to type', async () => {
  const target = await opened(IDLE);
  const typist = new Typist(target.data);
  await typist.run('1');
  typist.start(`require('node:fs').readFile('/nowhere', () => { for (;;); }); await new Promise(() => {})`);
  await until('it is said', async () => {
    typist.say({ interrupt: true });
    await sleep(200);
    return /cannot be interrupted: .*; pm2 restart 0\n/.test(typist.printed);
  });
  assert.equal(target.child.exitCode, null);
});

test('it closes by itself when nobody comes, when nobody types, when it is told to, and lets nobody in without its token', async () => {
  const [nobody, silent, told, strange] = await Promise.all([
    opened(IDLE, undefined, { comesWithinMs: 200 }),
    opened(IDLE, undefined, { idleMs: 300 }),
    opened(IDLE),
    opened(IDLE),
  ]);
  const stranger = new Typist(strange.data, 'guess');
  await until('the stranger is out', () => stranger.isOver);
  const second = new Typist(strange.data);
  assert.deepEqual(await second.run('1'), ok('1\n'));
  const typist = new Typist(silent.data);
  await until('it ends', () => typist.ended);
  assert.match(typist.ended, /without a word/);
  const other = new Typist(told.data);
  await other.run('1');
  told.child.send({ close: 'uninstalled' });
  await until('it is told', () => other.ended === 'uninstalled');
  for (const each of [nobody, silent, told]) {
    await until('it is closed', async () => (await each.ask('closed')).value);
    assert.equal(existsSync(each.data.socket), false);
    assert.equal(each.stderr(), '');
  }
});

test('a socket left over by a crash is replaced; where none can be, and where nothing can be audited, that is said', async () => {
  const folder = stateFolder();
  const socket = join(folder, 'repl', 'r.sock');
  const crashed = await opened(IDLE, undefined, { folder: dirname(socket), socket });
  crashed.child.kill('SIGKILL');
  await until('it is gone', () => crashed.child.signalCode);
  assert.equal(existsSync(socket), true);
  const next = await opened(IDLE, undefined, { folder: dirname(socket), socket });
  const typist = new Typist(next.data);
  assert.deepEqual(await typist.run('1'), ok('1\n'));
  await assert.rejects(
    opened(IDLE, undefined, { folder: GUARD, socket: join(GUARD, 'r.sock') }),
    /EEXIST|ENOTDIR|opened/,
  );
  const unwritten = await opened(IDLE);
  mkdirSync(unwritten.data.audit);
  const unheard = new Typist(unwritten.data);
  await until('it ends', () => unheard.isOver);
  assert.equal(unwritten.child.exitCode, null);
});

test('nothing runs that is not in the audit, and the audit is never what a link leads to', async () => {
  const { data } = await opened(IDLE);
  const typist = new Typist(data);
  const left = `${data.audit}.left`;
  const leave = `require('node:fs').writeFileSync(${JSON.stringify(left)}, ''); 1`;
  assert.deepEqual(await typist.run(leave), ok('1\n'));
  rmSync(left);
  const elsewhere = `${data.audit}.elsewhere`;
  writeFileSync(elsewhere, 'of somebody');
  rmSync(data.audit);
  symlinkSync(elsewhere, data.audit);
  const { how, printed } = await typist.run(leave);
  assert.equal(how, 'error');
  assert.match(printed, /^not run, because it could not be written to /);
  assert.equal(existsSync(left), false);
  assert.equal(readFileSync(elsewhere, 'utf8'), 'of somebody');
});
