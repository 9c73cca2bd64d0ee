// A heap snapshot of this process in a file that opens in Chrome DevTools. Here V8 writes it straight to disk: a stream
// through JavaScript would hold it in memory a second time.
import { accessSync, constants, createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { writeHeapSnapshot } from 'node:v8';
import { createGzip } from 'node:zlib';
import { GZIP_LEVEL, type ParamValues } from '../../contract/protocol.ts';
import { Refusal } from '../../contract/refusal.ts';
import {
  closeLeftOpen,
  createPartial,
  discard,
  folderOf,
  newFile,
  pruneDumps,
  publish,
} from '../../diagnostics/files.ts';
import { checkDisk, checkMemory } from '../../diagnostics/headroom.ts';
import { whileYielding } from '../../diagnostics/lowPriority.ts';
import { openRegular } from '../../shared/files/regularFile.ts';
import type { Actions, Context } from '../context.ts';
import { outOfService } from './outOfService.ts';

export const heapdump: Actions['heapdump'] = async (params, context) => {
  checkRoom(context.options, params.force === true);
  const permission = await context.permission.ask('heapdump', params, context.addressed);
  if ('skip' in permission) return { skipped: true, reason: permission.skip };
  try {
    // Again: this instance may have waited for its siblings' dumps.
    checkRoom(context.options, params.force === true);
    return await outOfService(permission, Number(params.timeout), context, (serveAgain, unseen) =>
      write(params, context, serveAgain, unseen),
    );
  } finally {
    permission.done();
  }
};

interface Room {
  stateDir: string;
  maxMemoryRestart: number;
}

/** @param forced where nothing can be written at all, nothing is begun, forced or not */
function checkRoom({ stateDir, maxMemoryRestart }: Room, forced: boolean): void {
  const folder = orDiskRefusal(stateDir, () => {
    const made = folderOf(stateDir, 'dumps');
    accessSync(made, constants.W_OK | constants.X_OK);
    return made;
  });
  if (forced) return;
  checkMemory(maxMemoryRestart);
  checkDisk(folder);
}

/**
 * @param serveAgain called when V8 is done: what comes then does not hold the event loop
 * @param unseen nobody waits for this process meanwhile
 */
async function write(params: ParamValues, context: Context, serveAgain: () => Promise<void>, unseen: boolean) {
  const { options, progress } = context;
  const { stateDir } = options;
  const { heapUsed } = process.memoryUsage();
  const file = newFile(stateDir, 'dumps', params.gzip === true ? 'heapsnapshot.gz' : 'heapsnapshot');
  const partial = orDiskRefusal(stateDir, () => createPartial(file));
  let packing: Packing | undefined;
  try {
    if (params.gzip === true) packing = beginPacking(partial, file, context);
    progress({ phase: 'writing', file: partial });
    // A turn of the event loop for that message, since V8 lets nothing else run.
    await new Promise(setImmediate);
    if (unseen) whileYielding(() => takeSnapshot(partial));
    else takeSnapshot(partial);
    await serveAgain();
    const size = await checkWhole(partial);
    const whole = packing ? await packing.end(size) : partial;
    const bytes = await publish(whole, file);
    if (packing) discard(partial);
    pruneDumps(stateDir, options.dumpKeep, options.dumpMaxBytes);
    return { file, bytes, heapUsed };
  } catch (error) {
    discard(partial);
    packing?.discard();
    throw asDiskRefusal(stateDir, error);
  }
}

interface Packing {
  /** The dump is whole, so many bytes of it. @returns its compressed twin */
  end(bytes: number): Promise<string>;
  discard(): void;
}

/**
 * The module compresses while V8 writes, which costs this process neither time nor memory. If it cannot (it was killed, the
 * folder is another user's), the dump is compressed here, from the file and off the main thread.
 */
function beginPacking(partial: string, file: string, { permission, progress }: Context): Packing {
  const theirs = createPartial(`${file}.packed`);
  const own = `${file}.own.partial`;
  const finished = permission.compress(partial, theirs);
  return {
    async end(bytes) {
      progress({ phase: 'compressing', file: theirs });
      if ((await finished(bytes)) && (await sizeInside(theirs)) === bytes % 2 ** 32) return theirs;
      progress({ phase: 'compressing', file: own });
      await pipeline(
        createReadStream('', { fd: await openRegular(partial, constants.O_RDONLY) }),
        createGzip({ level: GZIP_LEVEL }),
        createWriteStream(own, { flags: 'wx', mode: 0o600 }),
      );
      discard(theirs);
      return own;
    },
    discard() {
      discard(theirs);
      discard(own);
    },
  };
}

/** What is in a gzip file, in bytes modulo 2 ** 32: its last four bytes (RFC 1952, ISIZE). */
async function sizeInside(file: string): Promise<number> {
  const handle = await openRegular(file, constants.O_RDONLY);
  try {
    const { size } = await handle.stat();
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, Math.max(0, size - 4));
    return buffer.readUInt32LE();
  } finally {
    await handle.close();
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

/** A snapshot that was cut off (disk full, for one) does not end in the brace of its JSON object. @returns its bytes */
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
