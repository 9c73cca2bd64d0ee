// Limits for one process or one folder, as the kernel enforces them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Puts a process into a memory cgroup of its own with so many bytes, v2 or v1.
 * @returns moves it back; undefined where this machine allows none
 */
export function limitMemory(pid: number, bytes: number): (() => void) | undefined {
  const places = [
    { root: '/sys/fs/cgroup', file: 'memory.max', line: /^0::(.+)$/m },
    { root: '/sys/fs/cgroup/memory', file: 'memory.limit_in_bytes', line: /^\d+:[^:]*\bmemory\b[^:]*:(.+)$/m },
  ];
  for (const { root, file, line } of places) {
    const home = line.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1];
    if (home === undefined) continue;
    const group = join(root, `pm2-ops-test-${pid}`);
    const leave = () => {
      writeFileSync(join(root, home, 'cgroup.procs'), String(pid));
      rmdirSync(group);
    };
    try {
      mkdirSync(group);
    } catch {
      continue;
    }
    if (!existsSync(join(group, file))) {
      rmdirSync(group);
      continue;
    }
    writeFileSync(join(group, file), String(bytes));
    writeFileSync(join(group, 'cgroup.procs'), String(pid));
    return leave;
  }
  return undefined;
}

/**
 * Makes a memory cgroup with so many bytes, v2 or v1, that a process joins by writing its pid into `join`.
 * @returns undefined where this machine allows none
 */
export function memoryGroup(name: string, bytes: number): { join: string; remove(): void } | undefined {
  for (const [root, limit] of [
    ['/sys/fs/cgroup', 'memory.max'],
    ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
  ] as const) {
    const group = join(root, `pm2-ops-test-${name}`);
    try {
      mkdirSync(group);
      if (existsSync(join(group, limit))) {
        writeFileSync(join(group, limit), String(bytes));
        return { join: join(group, 'cgroup.procs'), remove: () => rmdirSync(group) };
      }
      rmdirSync(group);
    } catch {
      // This version is not here, or not ours to use.
    }
  }
  return undefined;
}

/** `ulimit -v` of a running process: what it has mapped now, and so many bytes more. @returns takes it back */
export function limitAddressSpace(pid: number, moreBytes: number): () => void {
  const sizeKb = Number(/^VmSize:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const set = (limit: number | string) => execFileSync('prlimit', ['--pid', String(pid), `--as=${limit}:`]);
  set(sizeKb * 1024 + moreBytes);
  return () => set('unlimited');
}

/** A small file system over a folder. @param options of tmpfs, such as `size=2m` @returns takes it away */
export function mountSmall(folder: string, options: string): () => void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  execFileSync('mount', ['-t', 'tmpfs', '-o', `mode=0700,${options}`, 'tmpfs', folder]);
  return () => execFileSync('umount', [folder]);
}

/** Why a file system cannot be mounted here; false where it can. */
export function cannotMount(): string | false {
  return process.getuid?.() === 0 ? false : 'mounting a file system takes root';
}
