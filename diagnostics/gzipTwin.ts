// The compressed twin of a dump: made by another process while V8 writes, which costs this one neither time nor memory.
// Where the other cannot (it was killed, the folder is another user's), this process compresses the file afterwards, off
// the main thread.
import { constants, createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { ActionProgress } from '../contract/progress.ts';
import { openRegular } from '../shared/files/regularFile.ts';
import { createPartial, discard } from './files.ts';

/** Fast, and already a sixth of a heap dump's size; a higher level costs time for little. */
export const GZIP_LEVEL = 1;

/**
 * Has another process compress `from` into `to` while `from` grows.
 * @returns to be called once the file is whole: did the other process do it?
 */
export type Compressor = (from: string, to: string) => (bytes: number) => Promise<boolean>;

export interface Packing {
  /** The dump is whole, so many bytes of it. @returns its compressed twin */
  end(bytes: number): Promise<string>;
  discard(): void;
}

/** @param partial the dump that V8 is about to write, which becomes `file` */
export function beginPacking(
  partial: string,
  file: string,
  progress: (progress: ActionProgress) => void,
  compressor?: Compressor,
): Packing {
  const own = `${file}.own.partial`;
  const theirs = compressor && createPartial(`${file}.packed`);
  const finished = theirs === undefined ? undefined : compressor?.(partial, theirs);
  return {
    async end(bytes) {
      if (theirs !== undefined && finished !== undefined) {
        progress({ phase: 'compressing', file: theirs });
        if ((await finished(bytes)) && (await sizeInside(theirs)) === bytes % 2 ** 32) return theirs;
      }
      progress({ phase: 'compressing', file: own });
      await pipeline(
        createReadStream('', { fd: await openRegular(partial, constants.O_RDONLY) }),
        createGzip({ level: GZIP_LEVEL }),
        createWriteStream(own, { flags: 'wx', mode: 0o600 }),
      );
      if (theirs !== undefined) discard(theirs);
      return own;
    },
    discard() {
      if (theirs !== undefined) discard(theirs);
      discard(own);
    },
  };
}

/** The size of what a gzip file holds, modulo 2 ** 32: its last four bytes (RFC 1952, ISIZE). */
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
