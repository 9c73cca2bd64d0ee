import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ROOT } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface Dump {
  ok: boolean;
  action: string;
  pid: number;
  ms: number;
  file: string;
  bytes: number;
  heapUsed: number;
  drained: boolean;
  reason: string;
  skipped?: boolean;
  code?: string;
  message?: string;
  hint?: string;
}

describe('heapdump', () => {
  let pm2: Pm2;
  let port: number;

  before(async () => {
    pm2 = await startWithModule();
    port = await freePort();
    await pm2.startApp([
      {
        name: 'web',
        script: join(ROOT, 'test/apps/inside-view.cjs'),
        exec_mode: 'cluster',
        instances: 2,
        env: { PORT: port },
      },
      {
        name: 'limited',
        script: join(ROOT, 'test/apps/inside-view.cjs'),
        max_memory_restart: '90M',
        env: { PORT: await freePort() },
      },
    ]);
    await untilAttached(pm2, 'web');
    await untilAttached(pm2, 'limited');
  });
  after(() => pm2.kill());

  it('by id writes a private file that opens as a heap snapshot', async () => {
    const [web] = await pm2.processes('web');
    const reply = await pm2.triggerOne<Dump>(web!.pm_id, 'heapdump');
    assert.equal(reply.ok, true, JSON.stringify(reply));
    assert.equal(reply.action, 'heapdump');
    assert.equal(reply.pid, web!.pid);
    assert.equal(reply.drained, true, JSON.stringify(reply));
    assert.match(basename(reply.file), new RegExp(`^web-${web!.pm_id}-${web!.pid}-\\d{8}T\\d{9}Z\\.heapsnapshot$`));
    assert.equal(reply.bytes, statSync(reply.file).size);
    assert.equal(statSync(reply.file).mode & 0o777, 0o600);
    assert.equal(statSync(join(pm2.home, 'pm2-ops')).mode & 0o777, 0o700);
    assert.equal(statSync(join(pm2.home, 'pm2-ops/dumps')).mode & 0o777, 0o700);
    assertSnapshot(readFileSync(reply.file, 'utf8'));
    assert.deepEqual(partials(pm2), []);
  });

  it('with gzip=true is the same, compressed by the module', async () => {
    const [web] = await pm2.processes('web');
    const compressed: string[] = [];
    const bus = await pm2.bus((event, data) => {
      const { progress } = (data.data ?? {}) as { progress?: { phase: string; file: string } };
      if (event === 'pm2-ops:agent' && progress?.phase === 'compressing') compressed.push(progress.file);
    });
    const reply = await pm2.triggerOne<Dump>(web!.pm_id, 'heapdump', 'gzip=true');
    assert.match(reply.file, /\.heapsnapshot\.gz$/);
    assert.equal(statSync(reply.file).mode & 0o777, 0o600);
    bus.close();
    assertSnapshot(gunzipSync(readFileSync(reply.file)).toString());
    // One that the app had to compress itself has another name.
    assert.deepEqual(compressed, [`${reply.file}.packed.partial`]);
    assert.deepEqual(partials(pm2), []);
  });

  it('by name is done by the instance with the largest heap; the other says how to have its own', async () => {
    const [first, second] = await pm2.processes('web');
    const bigger = await grow(port, second!.pid, 200_000);
    const replies = await pm2.trigger<Dump>('web', 'heapdump', { force: true });
    assert.equal(replies.length, 2);
    const dumped = replies.find(({ value }) => value.file)!;
    const skipped = replies.find(({ value }) => value.skipped)!;
    assert.equal(dumped.value.pid, bigger, JSON.stringify(replies));
    assert.equal(skipped.value.ok, true);
    assert.match(skipped.value.reason, new RegExp(`pm2 trigger ${first!.pm_id} heapdump.*all=true`));
  });

  it('with all=true is done by every instance, one after the other', async () => {
    const replies = await pm2.trigger<Dump>('web', 'heapdump', 'all=true force=true');
    assert.deepEqual(
      replies.map(({ value }) => value.ok),
      [true, true],
      JSON.stringify(replies),
    );
    assert.equal(new Set(replies.map(({ value }) => value.file)).size, 2);
  });

  it('is refused when PM2 would restart the app for its memory, and says the figures', async () => {
    const reply = await pm2.triggerOne<Dump>('limited', 'heapdump');
    assert.deepEqual(Object.keys(reply).sort(), ['action', 'code', 'hint', 'message', 'ok']);
    assert.equal(reply.code, 'E_MEMORY');
    assert.match(reply.message ?? '', /\d+ MB of heap.*above max_memory_restart \(90 MB\)/);
    assert.match(reply.hint ?? '', /force=true/);
    const forced = await pm2.triggerOne<Dump>('limited', 'heapdump', 'force=true');
    assert.equal(forced.ok, true, JSON.stringify(forced));
    assert.equal(forced.drained, false);
    assert.match(forced.reason, /limited has one instance, which runs in fork mode.*written in place/);
  });

  it('keeps the newest five of an app, and never touches those of another', async () => {
    const folder = join(pm2.home, 'pm2-ops/dumps');
    for (let day = 10; day < 17; day++) {
      writeFileSync(join(folder, `limited-7-99-202601${day}T000000000Z.heapsnapshot`), 'old');
      writeFileSync(join(folder, `limited-more-7-99-202601${day}T000000000Z.heapsnapshot`), 'old');
    }
    const { file } = await pm2.triggerOne<Dump>('limited', 'heapdump', 'force=true');
    const left = readdirSync(folder);
    const own = left.filter((name) => /^limited-\d/.test(name)).sort();
    assert.equal(own.length, 5, own.join('\n'));
    assert.ok(own.includes(basename(file)));
    assert.ok(!own.some((name) => name.includes('20260110')));
    assert.equal(left.filter((name) => name.startsWith('limited-more-')).length, 7);
  });

  it('onto a full disk is refused with need and have, and leaves nothing behind', { skip: notRoot() }, async () => {
    const folder = join(pm2.home, 'pm2-ops/dumps');
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0700', 'tmpfs', folder]);
    try {
      const [web] = await pm2.processes('web');
      const reply = await pm2.triggerOne<Dump>(web!.pm_id, 'heapdump');
      assert.equal(reply.code, 'E_DISK', JSON.stringify(reply));
      assert.match(reply.message ?? '', /needs about \d+ MB of disk, and .* has 2 MB/);
      // Forced, it runs into the end of the disk: said, cleaned up, and the app lives.
      const forced = await pm2.triggerOne<Dump>(web!.pm_id, 'heapdump', 'force=true');
      assert.equal(forced.code, 'E_DISK', JSON.stringify(forced));
      assert.deepEqual(readdirSync(folder), []);
      assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
    } finally {
      execFileSync('umount', [folder]);
    }
  });

  it('into a folder that cannot be written is refused', { skip: notRoot() }, async () => {
    const folder = join(pm2.home, 'pm2-ops/dumps');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=100m', 'tmpfs', folder]);
    try {
      const [web] = await pm2.processes('web');
      const reply = await pm2.triggerOne<Dump>(web!.pm_id, 'heapdump');
      assert.equal(reply.code, 'E_DISK', JSON.stringify(reply));
      assert.match(reply.message ?? '', /EROFS/);
    } finally {
      execFileSync('umount', [folder]);
    }
  });
});

/** Node and edge counts of a snapshot agree with what its header says. */
function assertSnapshot(text: string): void {
  const { snapshot, nodes, edges, strings } = JSON.parse(text) as {
    snapshot: { node_count: number; edge_count: number; meta: { node_fields: string[]; edge_fields: string[] } };
    nodes: number[];
    edges: number[];
    strings: string[];
  };
  assert.ok(snapshot.node_count > 10_000);
  assert.equal(nodes.length, snapshot.node_count * snapshot.meta.node_fields.length);
  assert.equal(edges.length, snapshot.edge_count * snapshot.meta.edge_fields.length);
  assert.ok(strings.length > 1000);
}

/** Makes the heap of that instance bigger; the balancer sends requests to either. @returns its pid */
async function grow(port: number, pid: number, objects: number): Promise<number> {
  for (let i = 0; i < 50; i++) {
    const inside = await fetch(`http://127.0.0.1:${port}/hold?objects=0`, { headers: { connection: 'close' } });
    if (Number(inside.headers.get('x-pid')) !== pid) continue;
    // Round robin over two: the next but one is the same instance.
    await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
    const grown = await fetch(`http://127.0.0.1:${port}/hold?objects=${objects}`, { headers: { connection: 'close' } });
    return Number(grown.headers.get('x-pid'));
  }
  throw new Error(`no request reached process ${pid}`);
}

function partials(pm2: Pm2): string[] {
  return readdirSync(join(pm2.home, 'pm2-ops/dumps')).filter((name) => name.endsWith('.partial'));
}

function notRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'mounting a file system takes root';
}
