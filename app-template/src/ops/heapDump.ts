// Sends a heap snapshot to whoever asked. It holds everything that the process has in memory, secrets included.

import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import v8 from 'node:v8';
import { createGzip } from 'node:zlib';
import type { Response } from 'express';
import type { Logger } from '../log.ts';

/** Memory that V8 needs for each byte of used heap while it takes the snapshot (measured with Node 20). */
const MEMORY_PER_HEAP_BYTE = 12;

/**
 * The process answers nobody while V8 writes: seconds for hundreds of megabytes. It goes through a file that only this user
 * can read and that has no name any more while it is sent; `v8.getHeapSnapshot()` would hold it in memory a second time.
 * @param force even if memory looks too small
 */
export async function sendHeapDump(
  res: Response,
  { gzip, force }: { gzip: boolean; force: boolean },
  log: Logger,
): Promise<void> {
  const heapUsed = process.memoryUsage().heapUsed;
  const needBytes = heapUsed * MEMORY_PER_HEAP_BYTE;
  const haveBytes = process.availableMemory?.() ?? os.freemem();
  if (needBytes > haveBytes && !force) {
    res
      .status(503)
      .json({ error: 'not enough memory for a heap dump; force=true takes the risk', needBytes, haveBytes });
    return;
  }
  const folder = await mkdtemp(join(os.tmpdir(), 'heapdump-'));
  const started = performance.now();
  try {
    const file = v8.writeHeapSnapshot(join(folder, 'dump'));
    log.warn({ heapUsed, ms: Math.round(performance.now() - started) }, 'ops: wrote a heap dump');
    const stream = createReadStream(file);
    await new Promise((resolve, reject) => stream.once('open', resolve).once('error', reject));
    await rm(folder, { recursive: true });
    const name = `${process.pid}-${new Date().toISOString().replace(/[:.]/g, '')}.heapsnapshot${gzip ? '.gz' : ''}`;
    res.attachment(name).type('application/octet-stream');
    await (gzip ? pipeline(stream, createGzip({ level: 1 }), res) : pipeline(stream, res));
  } catch (error) {
    // The caller left; there is nobody to tell.
    if ((error as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
