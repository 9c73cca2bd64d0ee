import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { app } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { type ProcessStatus, untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';
import { cannotMount, limitAddressSpace, limitMemory, mountSmall } from '../support/limits.ts';

interface Reply {
  ok: boolean;
  code?: string;
  message?: string;
  hint?: string;
  state?: string;
}

describe('a heap dump for which there is no room is refused before anything happens', () => {
  let pm2: Pm2;
  let web: ProcessStatus[];
  const phases: string[] = [];
  let onAgent: (message: { kind: string; pid: number; progress?: { phase: string } }) => void = () => {};
  before(async () => {
    pm2 = await startWithModule();
    await pm2.startApp({
      name: 'web',
      script: app('memory.cjs'),
      exec_mode: 'cluster',
      instances: 2,
      env: { PORT: await freePort(), MB: 8 },
    });
    web = await untilAttached(pm2, 'web', 60_000);
    await pm2.bus((event, data) => {
      if (event !== 'pm2-ops:agent') return;
      const message = data.data as Parameters<typeof onAgent>[0];
      if (message.progress) phases.push(message.progress.phase);
      onAgent(message);
    });
  });
  after(() => pm2.kill());

  const dumps = () => join(pm2.home, 'pm2-ops/dumps');

  async function refused(code: string, message: RegExp): Promise<void> {
    const { id, pid } = web[0]!;
    const before = { phases: phases.length, files: readdirSync(dumps()) };
    const reply = await pm2.triggerOne<Reply>(id, 'heapdump');
    assert.equal(reply.code, code, JSON.stringify(reply));
    assert.match(reply.message ?? '', message);
    assert.ok(reply.hint);
    const status = await pm2.triggerOne<Reply & { pid: number }>(id, 'ops-status');
    assert.deepEqual({ state: status.state, pid: status.pid }, { state: 'serving', pid });
    assert.deepEqual({ phases: phases.length, files: readdirSync(dumps()) }, before);
  }

  it('by a cgroup', async (context: TestContext) => {
    await pm2.triggerOne(web[0]!.id, 'heapdump');
    const undo = limitMemory(web[0]!.pid, 100 * 2 ** 20);
    if (!undo) return context.skip('nobody may make a memory cgroup here');
    try {
      await refused('E_MEMORY', /heap needs about \d+ MB more memory, and its cgroup \(limit 100 MB\) has \d+ MB/);
    } finally {
      undo();
    }
  });

  it('by ulimit -v', async () => {
    const undo = limitAddressSpace(web[0]!.pid, 100 * 2 ** 20);
    try {
      await refused('E_MEMORY', /heap needs about \d+ MB more memory, and ulimit -v \(\d+ MB\) has \d+ MB/);
    } finally {
      undo();
    }
  });

  it('also when there was room until its turn came, behind the dump of a sibling', async () => {
    const asked = new Set<number>();
    const drained: number[] = [];
    let writes: number | undefined;
    let late: number | undefined;
    let undo = () => {};
    onAgent = ({ kind, pid, progress }) => {
      if (kind === 'ask') asked.add(pid);
      if (progress?.phase === 'draining') drained.push(pid);
      if (progress?.phase === 'writing') writes ??= pid;
      if (writes === undefined || late !== undefined) return;
      late = [...asked].find((other) => other !== writes);
      if (late !== undefined) undo = limitAddressSpace(late, 100 * 2 ** 20);
    };
    try {
      const replies = await pm2.trigger<Reply & { pid: number }>('web', 'heapdump', 'all=true');
      const [first, second] = replies.map(({ value }) => value).sort((a, b) => Number(b.ok) - Number(a.ok));
      assert.equal(first?.ok, true, JSON.stringify(replies));
      assert.equal(second?.code, 'E_MEMORY', JSON.stringify(replies));
      assert.ok(late !== undefined && late !== first.pid, 'the second one waited while the first one wrote');
      assert.deepEqual([...new Set(drained)], [first.pid], 'nothing has begun in the second one');
    } finally {
      onAgent = () => {};
      undo();
    }
  });

  it('by a small disk', { skip: cannotMount() }, async () => {
    const unmount = mountSmall(dumps(), 'size=2m');
    try {
      await refused('E_DISK', /needs about \d+ MB of disk, and .* has 2 MB/);
    } finally {
      unmount();
    }
  });

  it('by a full inode table', { skip: cannotMount() }, async () => {
    const unmount = mountSmall(dumps(), 'size=500m,nr_inodes=3');
    try {
      for (const name of ['one', 'two']) writeFileSync(join(dumps(), name), '');
      await refused('E_DISK', /has no free inode for another file/);
    } finally {
      unmount();
    }
  });

  it('by a file system that is read-only', { skip: cannotMount() }, async () => {
    const unmount = mountSmall(dumps(), 'size=500m,ro');
    try {
      await refused('E_DISK', /EROFS|read-only/i);
    } finally {
      unmount();
    }
  });
});
