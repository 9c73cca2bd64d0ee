import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runOk } from '../../testkit/run.ts';
import { TEMPLATE } from '../../testkit/template.ts';

interface Limits {
  usableCpus(read?: Read): number;
  usableMemoryBytes(read?: Read): number;
  cpuQuota(read?: Read): number;
  memoryLimitBytes(read?: Read): number;
}
type Read = (file: string) => string | undefined;

const FILE = join(TEMPLATE, 'limits.cjs');
const { usableCpus, usableMemoryBytes, cpuQuota, memoryLimitBytes } = createRequire(FILE)(FILE) as Limits;
const reader =
  (files: Record<string, string>): Read =>
  (file) =>
    files[file];

// As the files read in each place.
const V2 = {
  '/proc/self/mountinfo': [
    '24 31 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw',
    '35 25 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot',
  ].join('\n'),
  '/proc/self/cgroup': '0::/system.slice/my-service.service',
};
const V1 = {
  '/proc/self/mountinfo': [
    '30 22 0:27 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '33 25 0:29 /docker/4f1c /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:14 - cgroup cgroup rw,memory',
    '36 25 0:31 /docker/4f1c /sys/fs/cgroup/cpu,cpuacct ro,nosuid,nodev,noexec,relatime master:15 - cgroup cgroup rw,cpu,cpuacct',
    '40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
  ].join('\n'),
  '/proc/self/cgroup': [
    '4:cpu,cpuacct:/docker/4f1c',
    '3:memory:/docker/4f1c',
    '1:name=systemd:/docker/4f1c',
    '0::/',
  ].join('\n'),
};

describe('the CPUs that a service may use', () => {
  it('are all of them where nothing limits it', () => {
    assert.equal(cpuQuota(reader({})), Number.POSITIVE_INFINITY);
    assert.equal(usableCpus(reader({})), availableParallelism());
    assert.equal(
      cpuQuota(reader({ ...V2, '/sys/fs/cgroup/system.slice/cpu.max': 'max 100000' })),
      Number.POSITIVE_INFINITY,
    );
    assert.equal(
      cpuQuota(
        reader({
          ...V1,
          '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
          '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
        }),
      ),
      Number.POSITIVE_INFINITY,
    );
  });

  it('are those of its cgroup v2, and of every group around it', () => {
    const own = { ...V2, '/sys/fs/cgroup/system.slice/my-service.service/cpu.max': '150000 100000' };
    assert.equal(cpuQuota(reader(own)), 1.5);
    assert.equal(usableCpus(reader(own)), 1);
    assert.equal(cpuQuota(reader({ ...own, '/sys/fs/cgroup/system.slice/cpu.max': '50000 100000' })), 0.5);
  });

  it('are those of a container that sees its own group as the root', () => {
    const container = { ...V2, '/proc/self/cgroup': '0::/', '/sys/fs/cgroup/cpu.max': '200000 100000' };
    assert.equal(cpuQuota(reader(container)), 2);
    assert.equal(cpuQuota(reader({ ...container, '/proc/self/cgroup': '0::/../other' })), 2);
  });

  it('are those of a cgroup v1, seen from inside a container', () => {
    const files = {
      ...V1,
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '250000',
      '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
    };
    assert.equal(cpuQuota(reader(files)), 2.5);
    // Without a cgroup namespace a nested container reads a path that is not mounted.
    const nested = V1['/proc/self/cgroup'].replaceAll('/docker/4f1c', '/kubepods/pod1/9a');
    assert.equal(cpuQuota(reader({ ...files, '/proc/self/cgroup': nested })), 2.5);
  });

  it('are at least one, however small the quota', () => {
    assert.equal(usableCpus(reader({ ...V2, '/sys/fs/cgroup/cpu.max': '10000 100000' })), 1);
  });

  it('are those of its CPU affinity', async () => {
    const first = readFileSync('/proc/self/status', 'utf8').match(/^Cpus_allowed_list:\s*(\d+)/m)?.[1];
    const { stdout } = await runOk('taskset', ['-c', String(first), process.execPath, '-p', print('usableCpus()')]);
    assert.equal(stdout, '1\n');
  });

  it('are those of a real cgroup with a quota', async (t) => {
    const group = realGroup();
    if (!group) return t.skip('cgroups cannot be made here');
    try {
      group.limitTo(1.5);
      const enter = `echo $$ > '${group.folder}/cgroup.procs' && exec "$@"`;
      const { stdout } = await runOk('sh', ['-c', enter, 'sh', process.execPath, '-p', print('cpuQuota()')]);
      assert.equal(stdout, '1.5\n');
    } finally {
      rmdirSync(group.folder);
    }
  });
});

describe('the memory that a service may use', () => {
  it('is what the machine has, or what its cgroup grants', () => {
    assert.equal(usableMemoryBytes(reader({})), totalmem());
    assert.equal(
      memoryLimitBytes(reader({ ...V2, '/sys/fs/cgroup/system.slice/my-service.service/memory.max': '536870912' })),
      536_870_912,
    );
    assert.equal(
      usableMemoryBytes(reader({ ...V1, '/sys/fs/cgroup/memory/memory.limit_in_bytes': '268435456' })),
      268_435_456,
    );
    const unlimited = { ...V1, '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712' };
    assert.equal(usableMemoryBytes(reader(unlimited)), totalmem());
    assert.equal(usableMemoryBytes(reader({ ...V2, '/sys/fs/cgroup/memory.max': 'max' })), totalmem());
  });
});

function print(call: string): string {
  return `require(${JSON.stringify(FILE)}).${call}`;
}

/** A cgroup of our own with a CPU quota, of version 1 or 2; undefined where that is not allowed. */
function realGroup(): { folder: string; limitTo(cpus: number): void } | undefined {
  const name = `pm2-ops-test-${process.pid}`;
  for (const root of ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup']) {
    const folder = join(root, name);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    if (existsSync(join(folder, 'cpu.cfs_quota_us')))
      return { folder, limitTo: (cpus) => writeFileSync(join(folder, 'cpu.cfs_quota_us'), String(cpus * 100_000)) };
    if (existsSync(join(folder, 'cpu.max')))
      return { folder, limitTo: (cpus) => writeFileSync(join(folder, 'cpu.max'), `${cpus * 100_000} 100000`) };
    rmdirSync(folder);
  }
  return undefined;
}
