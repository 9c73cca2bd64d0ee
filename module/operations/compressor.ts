// Compresses a heap dump while a process writes it. The module does that, so that it costs the app neither time nor memory. A
// process that gets no answer from the module compresses its dump itself.
import { constants, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { AgentMessage, Grant } from '../../contract/agentMessages.ts';
import type { PmId } from '../../contract/pmId.ts';
import { GZIP_LEVEL } from '../../diagnostics/gzipTwin.ts';
import { readGrowing } from '../../shared/files/growingFile.ts';
import { openRegular } from '../../shared/files/regularFile.ts';
import { isPartialOf } from '../state/partialFile.ts';

/** How long the compressor may take once the dump is complete. */
const ENDS_WITHIN_MS = 5 * 60_000;
/** How long a process may write a dump; the compressor stops waiting for one that takes longer. */
const WRITTEN_WITHIN_MS = 60 * 60_000;

export interface Compressor {
  /** Starts to compress a dump. @returns false if these are no files of that process, or if the module may not open them */
  begin(message: Extract<AgentMessage, { kind: 'compress' }>): boolean;
  /** The dump is complete. Sends the grant when its compressed twin is complete, too. */
  end(pmId: PmId, message: Extract<AgentMessage, { kind: 'compress-end' }>): void;
  /** Stops jobs whose agent has given up waiting, or whose process is gone. */
  cancel(isMeant: (job: { id: string; pid: number }) => boolean): void;
}

interface Job {
  id: string;
  pid: number;
  whole(bytes: number): void;
  done: Promise<void>;
  abort: AbortController;
}

/**
 * @param folder the module compresses only dumps in it
 * @param mayOpen does that process run as our own user? The module opens no file for a process of another user
 * @param answer delivers a grant; must not throw
 */
export function createCompressor(
  folder: string,
  mayOpen: (pid: number) => boolean,
  answer: (pmId: PmId, id: string, grant: Grant) => void,
): Compressor {
  const jobs = new Map<string, Job>();
  return {
    begin({ id, pid, from, to }) {
      // A process of another user compresses its dump itself.
      if (!mayOpen(pid) || jobs.has(id)) return true;
      if (from === to || !isPartialOf(pid, from, folder) || !isPartialOf(pid, to, folder)) return false;
      const abort = new AbortController();
      let whole: Job['whole'] = () => {};
      const size = new Promise<number>((resolve) => {
        whole = resolve;
      });
      const late = setTimeout(() => abort.abort(new Error('the dump was never finished')), WRITTEN_WITHIN_MS);
      const done = compress(from, to, size, abort.signal).finally(() => {
        clearTimeout(late);
        jobs.delete(id);
      });
      // `end` reports a failure.
      done.catch(() => {});
      jobs.set(id, { id, pid, whole, done, abort });
      return true;
    },
    end(pmId, { id, pid, bytes }) {
      const refuse = (message: string) => answer(pmId, id, { is: 'refuse', code: 'E_STATE', message, hint: '' });
      const job = jobs.get(id);
      if (job?.pid !== pid) return refuse('it is not being compressed');
      answer(pmId, id, { is: 'wait', ms: ENDS_WITHIN_MS, reason: 'the module compresses the dump' });
      job.whole(bytes);
      job.done.then(
        () => answer(pmId, id, { is: 'go' }),
        (error: Error) => refuse(error.message),
      );
    },
    cancel(isMeant) {
      for (const job of jobs.values()) if (isMeant(job)) job.abort.abort(new Error('its agent no longer waits for it'));
    },
  };
}

async function compress(from: string, to: string, size: Promise<number>, signal: AbortSignal): Promise<void> {
  // The process that asks has made the file, so that its owner and mode are right.
  const target = await openRegular(to, constants.O_WRONLY);
  await pipeline(
    Readable.from(readGrowing(from, size, signal), { objectMode: false }),
    createGzip({ level: GZIP_LEVEL }),
    createWriteStream(to, { fd: target }),
    { signal },
  );
}
