// Takes a sample of this process: a few calls of Node, tens of microseconds.
import type { IntervalHistogram } from 'node:perf_hooks';
import type { FigureSample } from '../../contract/figures.ts';
import type { Faults } from './faults.ts';
import type { RequestCounter } from './requests.ts';

/** How often the event loop's delay is measured. In an idle process, 10 ms would take 0.7 % of a core, 100 ms takes 0.06 %. */
const RESOLUTION_MS = 100;
/** The utilization of a shorter time says nothing: then that of the sample before counts. */
const LEAST_MS = 50;
const MB = 1024 * 1024;

export interface Sampler {
  /** @param nextWithinMs as in contract/figures.ts, from the utilization since the sample before @throws what Node's functions throw */
  take(nextWithinMs: (utilization: number) => number): FigureSample;
  stop(): void;
}

/** @param connections how many are open now */
export function createSampler(requests: RequestCounter, faults: Faults, connections: () => number): Sampler {
  // Node loads them when they are first asked for, and the app would wait for that while the agent starts.
  const hooks = require('node:perf_hooks') as typeof import('node:perf_hooks') & {
    /** Node 25.2 and 24.12. */
    eventLoopUtilization?: typeof import('node:perf_hooks').performance.eventLoopUtilization;
  };
  const { getHeapStatistics } = require('node:v8') as typeof import('node:v8');
  const delay: IntervalHistogram = hooks.monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const utilization = hooks.eventLoopUtilization ?? hooks.performance.eventLoopUtilization;
  const toldLimit = toldHeapLimit();
  let before = utilization();
  let share = 0;

  const delayMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    take(nextWithinMs) {
      const now = utilization();
      const since = utilization(now, before);
      if (since.idle + since.active >= LEAST_MS) {
        before = now;
        share = Math.min(1, Math.max(0, since.utilization));
      }
      const heap = getHeapStatistics();
      // Without a measurement, the longest is a number that none could be.
      const measured = delay.count > 0;
      const cpu = process.cpuUsage();
      const sample: FigureSample = {
        at: Date.now(),
        nextWithinMs: nextWithinMs(share),
        rssBytes: process.memoryUsage.rss(),
        heapUsedBytes: heap.used_heap_size,
        heapTotalBytes: heap.total_heap_size,
        heapLimitBytes: toldLimit ?? heap.heap_size_limit,
        externalBytes: heap.external_memory,
        utilization: share,
        delayP50Ms: delayMs(delay.percentile(50)),
        delayP99Ms: delayMs(delay.percentile(99)),
        delayMaxMs: measured ? delayMs(delay.max) : 0,
        ...requests.counts,
        connections: connections(),
        exceptions: faults.exceptions,
        rejections: faults.rejections,
        cpuUserMs: cpu.user / 1_000,
        cpuSystemMs: cpu.system / 1_000,
        gcMs: 0,
      };
      delay.reset();
      return sample;
    },
    stop: () => void delay.disable(),
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
