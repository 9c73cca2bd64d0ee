// What the cgroups of a process say: how much memory it may have, and which unit of systemd it belongs to.
import { join } from 'node:path';
import { read } from './proc.ts';

/** The cgroup of a process that counts its memory: v2, or the memory controller of v1. */
function memoryGroupOf(pid: number): { folder: string; path: string; limitFile: string } | undefined {
  const lines = (read(`/proc/${pid}/cgroup`) ?? '').split('\n');
  for (const [line, folder, limitFile] of [
    [/^\d+:[^:]*\bmemory\b[^:]*:(.+)$/, '/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
    [/^0::(.+)$/, '/sys/fs/cgroup', 'memory.max'],
  ] as const) {
    const path = lines.map((each) => line.exec(each)?.[1]).find((each) => each !== undefined);
    if (path !== undefined) return { folder, path, limitFile };
  }
  return undefined;
}

/**
 * The tightest limit of a process's cgroups, in bytes; undefined where there is none.
 * It is that of all processes in there together.
 */
export function memoryLimitOf(pid: number): number | undefined {
  const group = memoryGroupOf(pid);
  if (!group) return undefined;
  const limits: number[] = [];
  for (let path = group.path; ; path = join(path, '..')) {
    const bytes = Number(read(join(group.folder, path, group.limitFile)) ?? Number.NaN);
    // "max" is no number; v1 says "no limit" with a figure close to 2^63.
    if (bytes > 0 && bytes < 2 ** 60) limits.push(bytes);
    if (path === '/' || path === '.') break;
  }
  return limits.length > 0 ? Math.min(...limits) : undefined;
}
