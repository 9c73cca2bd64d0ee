// Takes a sample of this process: a few calls of Node, tens of microseconds.
import type { FigureSample } from '../../contract/figures.ts';
import type { Faults } from './faults.ts';
import type { LoopDelay } from './loopDelay.ts';
import type { RequestCounter } from './requests.ts';

/** The utilization of a shorter time says nothing: then that of the sample before counts. */
const LEAST_MS = 50;
const MB = 1024 * 1024;

export interface Sampler {
  /** Takes a few microseconds. @throws what Node's functions throw */
  heap(): { usedBytes: number; limitBytes: number };
  /** @param nextWithinMs as in contract/figures.ts, from the utilization since the sample before @throws what Node's functions throw */
  take(nextWithinMs: (utilization: number) => number): FigureSample;
}

/** @param connections how many are open now */
export function createSampler(
  requests: RequestCounter,
  faults: Faults,
  delay: LoopDelay,
  connections: () => number,
): Sampler {
  // Node loads them when they are first asked for, and the app would wait for that while the agent starts.
  const hooks = require('node:perf_hooks') as typeof import('node:perf_hooks') & {
    /** Node 25.2 and 24.12. */
    eventLoopUtilization?: typeof import('node:perf_hooks').performance.eventLoopUtilization;
  };
  const { getHeapStatistics } = require('node:v8') as typeof import('node:v8');
  const utilization = hooks.eventLoopUtilization ?? hooks.performance.eventLoopUtilization;
  const toldLimit = toldHeapLimit();
  let before = utilization();
  let share = 0;

  return {
    heap() {
      const heap = getHeapStatistics();
      return { usedBytes: heap.used_heap_size, limitBytes: toldLimit ?? heap.heap_size_limit };
    },
    take(nextWithinMs) {
      const now = utilization();
      const since = utilization(now, before);
      if (since.idle + since.active >= LEAST_MS) {
        before = now;
        share = Math.min(1, Math.max(0, since.utilization));
      }
      const heap = getHeapStatistics();
      const cpu = process.cpuUsage();
      return {
        at: Date.now(),
        nextWithinMs: nextWithinMs(share),
        rssBytes: process.memoryUsage.rss(),
        heapUsedBytes: heap.used_heap_size,
        heapTotalBytes: heap.total_heap_size,
        heapLimitBytes: toldLimit ?? heap.heap_size_limit,
        externalBytes: heap.external_memory,
        utilization: share,
        ...delay.take(),
        ...requests.counts,
        connections: connections(),
        exceptions: faults.exceptions,
        rejections: faults.rejections,
        cpuUserMs: cpu.user / 1_000,
        cpuSystemMs: cpu.system / 1_000,
        gcMs: 0,
      };
    },
  };
}

/**
 * The limit of the old generation as the process was told. V8's own figure has the young generation in it, 48 MB on Node 20 and 192 on
 * Node 24, so a heap of 256 MB would end at 57 % of it.
 */
function toldHeapLimit(): number | undefined {
  const words = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv];
  const megabytes = words.map((word) => /^--max[-_]old[-_]space[-_]size=(\d+)$/.exec(word)?.[1]).filter(Boolean);
  const last = Number(megabytes.at(-1));
  return last > 0 ? last * MB : undefined;
}
