import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { Agent, get } from 'node:http';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attached, NotAttached } from '../../../module/attach/index.ts';
import {
  ANSWERING,
  type App,
  app,
  attacher,
  cleanup,
  IDLE,
  journalOf,
  LOAD,
  NODES,
  portsOf,
  until,
} from './harness.ts';

/** Attaches as the module does: again after each failure, when it was told to. */
async function attachInTheEnd(attach: ReturnType<typeof attacher>['attach'], pid: number, load = LOAD) {
  const codes: string[] = [];
  for (;;) {
    const outcome = await attach(pid, load);
    if (outcome.ok) return { outcome, codes };
    codes.push(outcome.code);
    assert.notEqual(outcome.retryAfterMs, null, outcome.reason);
    assert.ok(codes.length < 60, `never attached: ${codes}`);
    await sleep(Math.min(outcome.retryAfterMs ?? 0, 200));
  }
}

for (const node of NODES) {
  const version = execFileSync(node, ['-p', 'process.version']).toString().trim();

  test(`Node ${version}: an app in the middle of seconds of work is attached after it, and others are not held up`, async () => {
    const blocked = await app(
      `${ANSWERING} setInterval(() => {}, 60_000);
      process.once('message', () => { const until = performance.now() + 5000; while (performance.now() < until); });`,
      { node },
    );
    const other = await app(IDLE, { node });
    const late: (Attached | NotAttached)[] = [];
    const { attach, stateDir } = attacher({ onLate: (_, outcome) => late.push(outcome) });
    blocked.child.send({});
    await until('it works', () => cpuTicks(blocked.pid) > 5);
    const codes: string[] = [];
    const blockedAttach = until('the blocked one is attached', async () => {
      const outcome = await attach(blocked.pid, { ...LOAD, isWanted: () => late.length === 0 });
      if (!outcome.ok) codes.push(outcome.code);
      return outcome.ok || late.some(({ ok }) => ok);
    });
    const first = await Promise.race([blockedAttach, attach(other.pid, LOAD)]);
    assert.ok(typeof first === 'object', 'the other one waited for the blocked one');
    assert.ok(first.ok, JSON.stringify(first));
    await blockedAttach;
    assert.deepEqual(
      codes.filter((code) => !['busy', 'blocked', 'unwanted', 'connection'].includes(code)),
      [],
    );
    // Closed while it was blocked, it opens once more by itself when it is free: Node was asked twice.
    await until('no close is pending', () => journalOf(stateDir).owed.length === 0);
    await until('its inspector is closed', () => portsOf(blocked.pid).length === 0);
    assert.deepEqual(await blocked.ask('loaded'), { value: 1 });
  });

  test(`Node ${version}: an app that waits in the kernel is attached when it is back, without another attempt`, async () => {
    const { pid, ask } = await app(
      `${ANSWERING} setInterval(() => {}, 60_000);
      process.once('message', () => { require('node:child_process').spawnSync('sleep', ['5']); });`,
      { node },
    );
    const late: (Attached | NotAttached)[] = [];
    const { attach } = attacher({ onLate: (_, outcome) => late.push(outcome) });
    void ask('wait');
    await until('it waits', () =>
      execFileSync('cat', [`/proc/${pid}/task/${pid}/children`])
        .toString()
        .trim(),
    );
    const seen: string[] = [];
    while (seen.at(-1) !== 'blocked') {
      const outcome = await attach(pid, LOAD);
      assert.ok(!outcome.ok);
      seen.push(outcome.code);
    }
    assert.deepEqual(seen, ['busy', 'busy', 'busy', 'blocked']);
    await until('it is attached late', () => late.length > 0);
    assert.equal(late[0]?.ok, true, JSON.stringify(late));
    await until('it is closed', () => portsOf(pid).length === 0);
    assert.deepEqual(await ask('loaded'), { value: 1 });
  });

  test(`Node ${version}: under load, the script never runs inside a request`, async () => {
    // A server that works in each request, and knows by AsyncLocalStorage in which.
    const { child, pid, ask, stderr } = await app(
      `${ANSWERING}
      const { AsyncLocalStorage } = require('node:async_hooks');
      const storage = new AsyncLocalStorage();
      globalThis.storage = storage;
      const work = (ms) => { const until = performance.now() + ms; while (performance.now() < until) JSON.parse('{"a":[1,2,3]}'); };
      const server = require('node:http').createServer((request, response) => {
        storage.run({ url: request.url }, async () => {
          work(1.5);
          await null;
          work(1.5);
          setImmediate(() => { work(1); response.end(storage.getStore().url); });
        });
      });
      server.listen(0, () => { globalThis.port = server.address().port; });`,
      { node },
    );
    const { value: port } = (await ask('port')) as { value: number };
    const load = new Load(port);
    cleanup(() => load.stop());
    await until('requests are answered', () => load.answered > 50);
    const { attach } = attacher();
    const inside = {
      source: `exports.install = () => {
        globalThis.loaded = (globalThis.loaded || 0) + 1;
        return { store: globalThis.storage.getStore() ?? null, stack: new Error().stack.split('\\n').length };
      };`,
      argument: null,
    };
    const attempts: string[] = [];
    for (let round = 0; round < 10; round++) {
      const { outcome, codes } = await attachInTheEnd(attach, pid, inside);
      attempts.push(...codes);
      assert.equal((outcome.value as { store: unknown }).store, null);
    }
    console.log(
      `${version}: 10 loads under load, ${attempts.length} attempts put off, ${load.answered} requests answered`,
    );
    assert.equal(load.failed, 0, 'requests failed');
    assert.equal(child.exitCode, null, stderr());
    await until('it is closed', () => !portsOf(pid).includes(9229));
  });
}

/** Keep-alive clients that ask again as soon as they are answered. */
class Load {
  answered = 0;
  failed = 0;
  private stopped = false;
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 8 });

  constructor(private readonly port: number) {
    for (let client = 0; client < 8; client++) this.ask(client);
  }

  stop(): void {
    this.stopped = true;
    this.agent.destroy();
  }

  private ask(client: number): void {
    if (this.stopped) return;
    get({ port: this.port, path: `/${client}`, agent: this.agent }, (response) => {
      response.resume();
      response.on('end', () => {
        this.answered++;
        this.ask(client);
      });
    }).on('error', () => {
      if (!this.stopped) this.failed++;
    });
  }
}

/** Processor time of a process since its start. */
function cpuTicks(pid: App['pid']): number {
  const fields = execFileSync('cat', [`/proc/${pid}/stat`])
    .toString()
    .split(') ')[1]!
    .split(' ');
  return Number(fields[11]);
}
