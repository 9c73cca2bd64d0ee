// One full garbage collection, and its cost. The inspector's own command collects at least twice.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export interface FullCollection {
  /** Bytes in use right after it: the heap, and buffers outside of it. */
  heap: number;
  external: number;
  /** CPU time of all threads for it. */
  cpuMs: number;
  /** CPU time of the process since it started. */
  lifeCpuMs: number;
  /** How long the app stood still. */
  heldMs: number;
}

/** Gives V8's `gc` function, which the app does not see, now or later. */
export function openCollector(): () => FullCollection {
  const exposed = 'gc' in globalThis;
  setFlagsFromString('--expose-gc');
  let gc: () => void;
  try {
    gc = runInNewContext('gc') as () => void;
  } finally {
    // An app that was started with the flag keeps it for the contexts that it makes itself.
    if (!exposed) setFlagsFromString('--no-expose-gc');
  }
  return () => {
    const began = performance.now();
    const before = process.cpuUsage();
    gc();
    const after = process.cpuUsage();
    const heldMs = performance.now() - began;
    const { external } = process.memoryUsage();
    return {
      heap: getHeapStatistics().used_heap_size,
      external,
      cpuMs: ms(after) - ms(before),
      lifeCpuMs: ms(after),
      heldMs,
    };
  };
}

function ms({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1000;
}
