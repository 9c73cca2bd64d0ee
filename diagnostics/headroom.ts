// Is there room for a heap dump? Looked at before anything happens: running out of memory midway ends the app, a full
// disk ends its neighbours.
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '../contract/refusal.ts';

/** Memory that a snapshot needs for each byte of used heap; measured on Node 20: RSS 0.2 to 1.67 GB for a 127 MB heap. */
const MEMORY_PER_HEAP_BYTE = 12;
/** Size of the file for each byte of used heap, measured at 2.0 on the same heap, with some to spare. */
const FILE_PER_HEAP_BYTE = 2.5;
/** What other files may grow by meanwhile, in bytes. */
const DISK_MARGIN = 16 * 2 ** 20;

/**
 * Refuses a dump for which memory is too small: the machine's, the cgroup's, or what PM2 lets this app use before it
 * restarts it.
 * @param maxMemoryRestart PM2's limit for the app in bytes, 0 for none
 * @throws {Refusal} E_MEMORY with need and have
 */
export function checkMemory(maxMemoryRestart: number): void {
  const { heapUsed, rss } = process.memoryUsage();
  const need = heapUsed * MEMORY_PER_HEAP_BYTE;
  const { bytes, of } = availableMemory();
  if (need > bytes) {
    throw new Refusal(
      'E_MEMORY',
      `a dump of ${mb(heapUsed)} of heap needs about ${mb(need)} more memory, and ${of} has ${mb(bytes)}`,
      'make room first (gc, drain, stop a neighbour), or take the risk: force=true',
    );
  }
  if (maxMemoryRestart > 0 && rss + need > maxMemoryRestart) {
    throw new Refusal(
      'E_MEMORY',
      `a dump of ${mb(heapUsed)} of heap takes this process from ${mb(rss)} to about ${mb(rss + need)}, and PM2 restarts it above max_memory_restart (${mb(maxMemoryRestart)})`,
      'raise max_memory_restart for the time of the dump, or take the risk: force=true',
    );
  }
}

/**
 * Refuses a dump for which the disk is too small.
 * @param folder where the dump goes; it exists
 * @throws {Refusal} E_DISK with need and have, or that the file system has no inode left
 */
export function checkDisk(folder: string): void {
  const { heapUsed } = process.memoryUsage();
  const need = heapUsed * FILE_PER_HEAP_BYTE + DISK_MARGIN;
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  if (need > bavail * bsize) {
    throw new Refusal(
      'E_DISK',
      `a dump of ${mb(heapUsed)} of heap needs about ${mb(need)} of disk, and ${folder} has ${mb(bavail * bsize)}`,
      'remove old dumps there or lower pm2-ops:dump_keep, or take the risk: force=true',
    );
  }
  // File systems without a fixed inode table (btrfs, some tmpfs) report 0 of 0.
  if (files > 0 && ffree === 0) {
    throw new Refusal(
      'E_DISK',
      `${folder} has no free inode for another file`,
      'remove some files from that file system',
    );
  }
}

/** The tightest limit on this process's memory in bytes, and whose it is. */
function availableMemory(): { bytes: number; of: string } {
  const limits = [...cgroupHeadroom(), ...ulimitHeadroom()];
  const machine = /^MemAvailable:\s+(\d+) kB/m.exec(read('/proc/meminfo'))?.[1];
  if (machine !== undefined) limits.push({ bytes: Number(machine) * 1024, of: 'the machine' });
  return limits.sort((a, b) => a.bytes - b.bytes)[0] ?? { bytes: Number.POSITIVE_INFINITY, of: 'the machine' };
}

/** Free memory in every cgroup above this process: v2 (memory.max) and v1 (memory.limit_in_bytes), page cache counted as free. */
function* cgroupHeadroom(): Generator<{ bytes: number; of: string }> {
  for (const line of read('/proc/self/cgroup').split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.+)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const v2 = controllers === '';
    if (!v2 && !controllers?.split(',').includes('memory')) continue;
    const root = v2 ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
    const [limitFile, usageFile, cacheKey] = v2
      ? ['memory.max', 'memory.current', 'inactive_file']
      : ['memory.limit_in_bytes', 'memory.usage_in_bytes', 'total_inactive_file'];
    for (let folder = path; ; folder = join(folder, '..')) {
      const limit = Number(read(join(root, folder, limitFile)));
      const usage = Number(read(join(root, folder, usageFile)));
      // "max" is no number; v1 says "no limit" with a figure close to 2^63. A file that is not there reads as 0.
      if (limit > 0 && limit < 2 ** 60) {
        const cache = new RegExp(`^${cacheKey} (\\d+)$`, 'm').exec(read(join(root, folder, 'memory.stat')))?.[1];
        yield { bytes: Math.max(0, limit - usage + Number(cache ?? 0)), of: `its cgroup (limit ${mb(limit)})` };
      }
      if (folder === '/' || folder === '.') break;
    }
  }
}

/** What `ulimit -v` and `ulimit -d` leave to this process; the kernel counts address space, not resident memory. */
function* ulimitHeadroom(): Generator<{ bytes: number; of: string }> {
  const limits = read('/proc/self/limits');
  const status = read('/proc/self/status');
  for (const [name, field, of] of [
    ['Max address space', 'VmSize', 'ulimit -v'],
    ['Max data size', 'VmData', 'ulimit -d'],
  ]) {
    const limit = Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(limits)?.[1]);
    const usedKb = Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]);
    if (limit > 0 && usedKb > 0) yield { bytes: Math.max(0, limit - usedKb * 1024), of: `${of} (${mb(limit)})` };
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
