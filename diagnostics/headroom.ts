// Headroom for a heap dump, checked before anything happens: running out of memory midway ends the app, a full disk ends
// its neighbours.
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { Refusal } from '../contract/errors.ts';
import type { Store } from './files.ts';

/** Memory that a snapshot needs for each byte of used heap; measured on Node 20: RSS 0.2 to 1.67 GB for a 127 MB heap. */
const MEMORY_PER_HEAP_BYTE = 12;
/** Size of the file for each byte of used heap: 2.0 was measured on the same heap. */
const FILE_PER_HEAP_BYTE = 2.5;
/** What other files may grow by meanwhile. */
const DISK_MARGIN_BYTES = 16 * 2 ** 20;

/** A size above which a supervisor ends or restarts this process. */
export interface MemoryCeiling {
  bytes: number;
  /** Who does what above which setting, such as `PM2 restarts it above max_memory_restart`. */
  rule: string;
  /** The name of that setting. */
  setting: string;
}

/**
 * Refuses a dump for which memory is too small: the machine's, the cgroup's, or what a supervisor lets this process use.
 * @throws {Refusal} E_MEMORY with need and have
 */
export function checkMemory(ceiling?: MemoryCeiling): void {
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
  if (ceiling !== undefined && rss + need > ceiling.bytes) {
    throw new Refusal(
      'E_MEMORY',
      `a dump of ${mb(heapUsed)} of heap takes this process from ${mb(rss)} to about ${mb(rss + need)}, and ${ceiling.rule} (${mb(ceiling.bytes)})`,
      `raise ${ceiling.setting} for the time of the dump, or take the risk: force=true`,
    );
  }
}

/**
 * Refuses a dump for which the disk is too small.
 * @param folder where the dump goes; it exists
 * @throws {Refusal} E_DISK with need and have, or that the file system has no inode left
 */
export function checkDisk(folder: string, { keepSetting }: Pick<Store, 'keepSetting'>): void {
  const { heapUsed } = process.memoryUsage();
  const need = heapUsed * FILE_PER_HEAP_BYTE + DISK_MARGIN_BYTES;
  const { bavail, bsize, files, ffree } = statfsSync(folder);
  if (need > bavail * bsize) {
    throw new Refusal(
      'E_DISK',
      `a dump of ${mb(heapUsed)} of heap needs about ${mb(need)} of disk, and ${folder} has ${mb(bavail * bsize)}`,
      `remove old dumps there or lower ${keepSetting}, or take the risk: force=true`,
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
