// Reads a file while another process still writes it. V8 writes a heap snapshot while it stops the process's event loop; with this,
// the module can compress it meanwhile, and without holding it in memory.
import { constants, type FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openRegular } from './regularFile.ts';

const PART_BYTES = 256 * 1024;
/** Pause before it looks for more at the end of the file. */
const LOOK_EVERY_MS = 20;

/**
 * Yields the parts of a file as they are written, up to its full size.
 * @param whole resolves with the file's size in bytes once it is complete; rejects if it never will be
 * @param signal ends the reading with its reason
 * @throws when the file cannot be read, is no regular file of this user, or is shorter than `whole` says
 */
export async function* readGrowing(file: string, whole: Promise<number>, signal: AbortSignal): AsyncGenerator<Buffer> {
  let size: number | undefined;
  let failure: unknown;
  whole.then(
    (bytes) => {
      size = bytes;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  const handle = await openRegular(file, constants.O_RDONLY);
  try {
    for (let at = 0; size === undefined || at < size; ) {
      signal.throwIfAborted();
      if (failure !== undefined) throw failure;
      // Checked before the read, because more may be written after it; then the next read gets that.
      const ended = size !== undefined;
      const part = await readPart(handle, at);
      at += part.length;
      if (part.length > 0) yield part;
      else if (ended) throw new Error(`${file} ends after ${at} of ${size} bytes`);
      else await sleep(LOOK_EVERY_MS);
    }
  } finally {
    await handle.close();
  }
}

async function readPart(handle: FileHandle, at: number): Promise<Buffer> {
  const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(PART_BYTES), 0, PART_BYTES, at);
  return buffer.subarray(0, bytesRead);
}
