// How many CPUs and how much memory this process may use: its CPU affinity and its cgroups count (Docker, Kubernetes,
// systemd), not only what the machine has.

const { readFileSync } = require('node:fs');
const os = require('node:os');

/**
 * CPUs that this process may use: at least 1, and a quota of 2.5 CPUs is 2, as in `os.availableParallelism()` of Node 22
 * and newer (that of Node 20 knows the affinity only).
 * @param read gives a file's text, or undefined where there is none
 */
function usableCpus(read = readText) {
  return Math.max(1, Math.floor(Math.min(os.availableParallelism(), cpuQuota(read))));
}

/** Bytes of memory that this process and all others under its limit may use together. */
function usableMemoryBytes(read = readText) {
  return Math.min(os.totalmem(), memoryLimitBytes(read));
}

/** CPUs that the cgroups of this process grant, such as 1.5; Infinity without a quota. */
function cpuQuota(read = readText) {
  return lowest([
    ...cgroupFolders(read, 'cpu').map((folder) => {
      const [quota, period] = [read(`${folder}/cpu.cfs_quota_us`), read(`${folder}/cpu.cfs_period_us`)].map(Number);
      return quota / period; // -1: no quota
    }),
    ...cgroupFolders(read).map((folder) => {
      const [quota, period] = (read(`${folder}/cpu.max`) ?? '').split(' ').map(Number);
      return quota / period; // max: no quota
    }),
  ]);
}

/** Bytes that the cgroups of this process grant; Infinity, or in cgroup v1 more than any machine has, without a limit. */
function memoryLimitBytes(read = readText) {
  return lowest([
    ...cgroupFolders(read, 'memory').map((folder) => Number(read(`${folder}/memory.limit_in_bytes`))),
    ...cgroupFolders(read).map((folder) => Number(read(`${folder}/memory.max`))),
  ]);
}

module.exports = { usableCpus, usableMemoryBytes, cpuQuota, memoryLimitBytes };

/**
 * The folders of the cgroup of this process and of those around it, which limit it as well.
 * @param controller for cgroup v1: `cpu` or `memory`; undefined for v2, which has one tree for all
 */
function cgroupFolders(read, controller) {
  const mount = mountOf(read, controller);
  const path = pathOf(read, controller);
  if (mount === undefined || path === undefined) return [];
  // A container may see the path from outside it, while its own cgroup is what is mounted.
  const inside =
    mount.root === '/' ? path : `${path}/`.startsWith(`${mount.root}/`) ? path.slice(mount.root.length) : '';
  const parts = inside.includes('..') ? [] : inside.split('/').filter(Boolean);
  return Array.from({ length: parts.length + 1 }, (_, depth) => [mount.point, ...parts.slice(0, depth)].join('/'));
}

/** Where /proc/self/mountinfo has the tree, and which part of it: `… ROOT POINT OPTIONS … - TYPE SOURCE OPTIONS`. */
function mountOf(read, controller) {
  for (const line of (read('/proc/self/mountinfo') ?? '').split('\n')) {
    const [before, after = ''] = line.split(' - ');
    const [type, , options = ''] = after.split(' ');
    const fits = controller ? type === 'cgroup' && options.split(',').includes(controller) : type === 'cgroup2';
    if (fits) return { root: before.split(' ')[3], point: before.split(' ')[4] };
  }
  return undefined;
}

/** The path in /proc/self/cgroup: `4:cpu,cpuacct:/path`, or `0::/path` for v2. */
function pathOf(read, controller) {
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, ...path] = line.split(':');
    if (controller ? controllers?.split(',').includes(controller) : controllers === '') return path.join(':');
  }
  return undefined;
}

function lowest(limits) {
  return Math.min(Number.POSITIVE_INFINITY, ...limits.filter((limit) => limit > 0));
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}
