// A heap snapshot of this process in a file that opens in Chrome DevTools. V8 writes it straight to disk: a stream through
// JavaScript would hold it in memory a second time.
import { accessSync, constants } from 'node:fs';
import { writeHeapSnapshot as takeSnapshotOf } from 'node:v8';
import { Refusal } from '../contract/errors.ts';
import type { ActionProgress } from '../contract/progress.ts';
import { openRegular } from '../shared/files/regularFile.ts';
import { closeLeftOpen, createPartial, discard, folderOf, newFile, pruneDumps, publish, type Store } from './files.ts';
import { beginPacking, type Compressor, type Packing } from './gzipTwin.ts';
import { checkDisk, checkMemory, type MemoryCeiling } from './headroom.ts';
import { withLowPriority } from './lowPriority.ts';

/**
 * Refuses a dump that could not be written, or for which memory or disk are too small.
 * @param force skips the check of memory and disk; a folder that nothing can be written to is refused all the same
 * @throws {Refusal} E_DISK or E_MEMORY
 */
export function checkHeadroom(store: Store, { force, ceiling }: { force: boolean; ceiling?: MemoryCeiling }): void {
  const folder = orDiskRefusal(store, () => {
    const made = folderOf(store, 'dumps');
    accessSync(made, constants.W_OK | constants.X_OK);
    return made;
  });
  if (force) return;
  checkMemory(ceiling);
  checkDisk(folder, store);
}

export interface SnapshotOptions {
  gzip: boolean;
  /** Compresses in another process while V8 writes; without it this process compresses afterwards. */
  compressor?: Compressor;
  /** No client waits for this process: its siblings get the processor first. */
  lowPriority?: boolean;
  progress(progress: ActionProgress): void;
  /** Called when V8 is done: from then on the event loop is free. */
  onWritten?(): Promise<void>;
}

/** The file, its size, and the size of the heap before. */
export interface Snapshot {
  file: string;
  bytes: number;
  heapUsed: number;
}

/**
 * Writes a snapshot and removes old ones. The event loop stands still while V8 writes: seconds for hundreds of megabytes.
 * @throws {Refusal} E_DISK; nothing is left behind then
 */
export async function writeHeapSnapshot(
  store: Store,
  { gzip, compressor, lowPriority = false, progress, onWritten }: SnapshotOptions,
): Promise<Snapshot> {
  const { heapUsed } = process.memoryUsage();
  const file = newFile(store, 'dumps', gzip ? 'heapsnapshot.gz' : 'heapsnapshot');
  const partial = orDiskRefusal(store, () => createPartial(file));
  let packing: Packing | undefined;
  try {
    if (gzip) packing = beginPacking(partial, file, progress, compressor);
    progress({ phase: 'writing', file: partial });
    // A turn of the event loop for that message, since V8 lets nothing else run.
    await new Promise(setImmediate);
    if (lowPriority) withLowPriority(() => takeSnapshot(partial));
    else takeSnapshot(partial);
    await onWritten?.();
    const size = await checkWhole(partial);
    const whole = packing ? await packing.end(size) : partial;
    const bytes = await publish(whole, file);
    if (packing) discard(partial);
    pruneDumps(store);
    return { file, bytes, heapUsed };
  } catch (error) {
    discard(partial);
    packing?.discard();
    throw asDiskRefusal(store, error);
  }
}

/** Blocks until V8 has written the snapshot. */
function takeSnapshot(file: string): void {
  try {
    takeSnapshotOf(file);
  } catch (error) {
    closeLeftOpen(file);
    throw error;
  }
}

/** A snapshot that was cut off (by a full disk, for one) does not end in the brace of its JSON object. @returns its bytes */
async function checkWhole(file: string): Promise<number> {
  const handle = await openRegular(file, constants.O_RDONLY);
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, Math.max(0, size - 16));
    if (!buffer.toString('latin1', 0, bytesRead).trimEnd().endsWith('}')) {
      throw new Refusal(
        'E_DISK',
        `the snapshot is cut off after ${size} bytes; it was removed`,
        'the disk probably filled up: make room and try again',
      );
    }
    return size;
  } finally {
    await handle.close();
  }
}

function orDiskRefusal<T>(store: Store, attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    throw asDiskRefusal(store, error);
  }
}

const DISK_FAULTS = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EACCES',
  'EPERM',
  'EMFILE',
  'ENFILE',
  'EFBIG',
  'EIO',
  'ENOENT',
  'ENOTDIR',
]);

function asDiskRefusal({ folder }: Store, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !DISK_FAULTS.has(code)) return error;
  return new Refusal(
    'E_DISK',
    `the dump could not be written: ${message}`,
    `check space and permissions of ${folder}; nothing was left behind`,
  );
}
