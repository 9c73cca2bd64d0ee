// Compresses heap dumps for the processes that write them, while they write them: in the module, so that it costs the app
// neither time nor memory. A process that gets no answer compresses its dump itself.
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

/** How long it may take from the moment when the dump is whole, in milliseconds. */
const ENDS_WITHIN_MS = 5 * 60_000;
/** How long one may be written, in milliseconds: a process whose dump takes longer has been forgotten about. */
const WRITTEN_WITHIN_MS = 60 * 60_000;

export interface Compressor {
  /** @returns false when these are not files of that process, or not ours to open */
  begin(message: Extract<AgentMessage, { kind: 'compress' }>): boolean;
  /** The dump is whole; the grant goes out when its compressed twin is, too. */
  end(pmId: PmId, message: Extract<AgentMessage, { kind: 'compress-end' }>): void;
  /** Nobody waits for it any more, or the process is gone. */
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
 * @param folder only dumps in it are compressed
 * @param mayOpen does that process run as our own user? What another one asks for is none of ours to open
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
      // It compresses its dump itself where that is none of our business.
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
      // Whoever waits for it hears of it by `end`.
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
      for (const job of jobs.values()) if (isMeant(job)) job.abort.abort(new Error('nobody waits for it any more'));
    },
  };
}

async function compress(from: string, to: string, size: Promise<number>, signal: AbortSignal): Promise<void> {
  // Made by the process that asks, with its owner and mode.
  const target = await openRegular(to, constants.O_WRONLY);
  await pipeline(
    Readable.from(readGrowing(from, size, signal), { objectMode: false }),
    createGzip({ level: GZIP_LEVEL }),
    createWriteStream(to, { fd: target }),
    { signal },
  );
}
