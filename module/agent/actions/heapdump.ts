// A heap snapshot of this process in a file that opens in Chrome DevTools. Here V8 writes it straight to disk: a stream
// through JavaScript would hold it in memory a second time.
import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { writeHeapSnapshot } from 'node:v8';
import { createGzip } from 'node:zlib';
import type { ParamValues } from '../../protocol.ts';
import type { Actions, Context } from '../context.ts';
import { closeLeftOpen, createPartial, discard, folderOf, newFile, pruneDumps, publish } from '../files.ts';
import { Refusal } from '../refusal.ts';
import { checkDisk, checkMemory } from '../room.ts';
import { outOfService } from './outOfService.ts';

/** Fast, and already a sixth of the size; a higher level costs time for little. */
const GZIP_LEVEL = 1;

export const heapdump: Actions['heapdump'] = async (params, context) => {
  if (params.force !== true) checkRoom(context.options);
  const permission = await context.permission.ask('heapdump', params, context.addressed);
  if ('skip' in permission) return { skipped: true, reason: permission.skip };
  try {
    // Again: this instance may have waited for its siblings' dumps.
    if (params.force !== true) checkRoom(context.options);
    return await outOfService(permission.drain, Number(params.timeout), context, (serveAgain) =>
      write(params, context, serveAgain),
    );
  } finally {
    permission.done();
  }
};

interface Room {
  stateDir: string;
  maxMemoryRestart: number;
}

function checkRoom({ stateDir, maxMemoryRestart }: Room): void {
  checkMemory(maxMemoryRestart);
  checkDisk(orDiskRefusal(stateDir, () => folderOf(stateDir, 'dumps')));
}

/** @param serveAgain called when V8 is done: what comes then does not hold the event loop */
async function write(params: ParamValues, { options, progress }: Context, serveAgain: () => Promise<void>) {
  const { stateDir } = options;
  const { heapUsed } = process.memoryUsage();
  const file = newFile(stateDir, 'dumps', params.gzip === true ? 'heapsnapshot.gz' : 'heapsnapshot');
  const partial = orDiskRefusal(stateDir, () => createPartial(file));
  const packed = `${file}.gz.partial`;
  try {
    progress({ phase: 'writing', file: partial });
    // A turn of the event loop for that message, since V8 lets nothing else run.
    await new Promise(setImmediate);
    takeSnapshot(partial);
    await serveAgain();
    await checkWhole(partial);
    if (params.gzip === true) {
      progress({ phase: 'compressing', file: packed });
      await pipeline(
        createReadStream(partial),
        createGzip({ level: GZIP_LEVEL }),
        createWriteStream(packed, { flags: 'wx', mode: 0o600 }),
      );
      discard(partial);
    }
    const bytes = await publish(params.gzip === true ? packed : partial, file);
    pruneDumps(stateDir, options.dumpKeep, options.dumpMaxBytes);
    return { file, bytes, heapUsed };
  } catch (error) {
    discard(partial);
    discard(packed);
    throw asDiskRefusal(stateDir, error);
  }
}

/** Blocks until V8 has written the snapshot. */
function takeSnapshot(file: string): void {
  try {
    writeHeapSnapshot(file);
  } catch (error) {
    closeLeftOpen(file);
    throw error;
  }
}

/** A snapshot that was cut off (disk full, for one) does not end in the brace of its JSON object. */
async function checkWhole(file: string): Promise<void> {
  const handle = await open(file, 'r');
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
  } finally {
    await handle.close();
  }
}

function orDiskRefusal<T>(folder: string, attempt: () => T): T {
  try {
    return attempt();
  } catch (error) {
    throw asDiskRefusal(folder, error);
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

function asDiskRefusal(folder: string, error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined || !DISK_FAULTS.has(code)) return error;
  return new Refusal(
    'E_DISK',
    `the dump could not be written: ${message}`,
    `check space and permissions of ${folder}; nothing was left behind`,
  );
}
