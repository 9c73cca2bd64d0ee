// Is this worker leaking, and which lines allocate what stays? Heap sizes after full collections, and V8's sampling profiler.

import { type HeapProfiler, Session } from 'node:inspector/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LeakReport {
  /** `growing`: larger after every collection; `steady`: not larger at the end; `unclear`: up and down, or too little. */
  verdict: 'growing' | 'steady' | 'unclear';
  /** Heap after each collection, in bytes, evenly spread over the time. */
  heapAfterGcBytes: number[];
  growthBytesPerMinute: number;
  /** What was allocated in that time and is still held, by where it was allocated; estimated from samples. */
  sites: { where: string; bytes: number }[];
}

const COLLECTIONS = 5;
const SITES = 10;
/** One sample for so many allocated bytes; V8's default is 32 KiB. */
const SAMPLING_BYTES = 16 * 1024;
/** Smaller growth is noise: compiled code, caches that fill. */
const NOISE_BYTES = 256 * 1024;

/** Each collection stops the process for some milliseconds. The inspector session is in this process, and opens no port. */
export async function leakReport(durationMs: number): Promise<LeakReport> {
  const session = new Session();
  session.connect();
  try {
    const sizes: number[] = [];
    const collect = async () => {
      await session.post('HeapProfiler.collectGarbage');
      sizes.push(process.memoryUsage().heapUsed);
    };
    await session.post('HeapProfiler.enable');
    await collect();
    await session.post('HeapProfiler.startSampling', { samplingInterval: SAMPLING_BYTES });
    for (let i = 1; i < COLLECTIONS; i++) {
      await sleep(durationMs / (COLLECTIONS - 1));
      await collect();
    }
    const { profile } = await session.post('HeapProfiler.stopSampling');
    const growthBytes = sizes.at(-1)! - sizes[0]!;
    return {
      verdict: verdictOf(sizes),
      heapAfterGcBytes: sizes,
      growthBytesPerMinute: Math.round((growthBytes / durationMs) * 60_000),
      sites: sitesIn(profile.head),
    };
  } finally {
    session.disconnect();
  }
}

export function verdictOf(sizes: readonly number[]): LeakReport['verdict'] {
  const growthBytes = (sizes.at(-1) ?? 0) - (sizes[0] ?? 0);
  if (growthBytes < NOISE_BYTES / 4) return 'steady';
  const always = sizes.every((size, at) => at === 0 || size > sizes[at - 1]!);
  return always && growthBytes > NOISE_BYTES ? 'growing' : 'unclear';
}

function sitesIn(head: HeapProfiler.SamplingHeapProfileNode): LeakReport['sites'] {
  const bytesBySite = new Map<string, number>();
  const visit = (node: HeapProfiler.SamplingHeapProfileNode) => {
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    if (node.selfSize > 0) {
      const where = `${functionName || '(anonymous)'} ${url || '(native)'}:${lineNumber + 1}:${columnNumber + 1}`;
      bytesBySite.set(where, (bytesBySite.get(where) ?? 0) + node.selfSize);
    }
    for (const child of node.children) visit(child);
  };
  visit(head);
  const sites = [...bytesBySite].map(([where, bytes]) => ({ where, bytes }));
  return sites.sort((a, b) => b.bytes - a.bytes).slice(0, SITES);
}
