// How late the event loop is, by a timer that is due every 100 ms. Node's own `monitorEventLoopDelay` costs as much, and each reset
// makes it forget the delay that is under way.

/** How often it is measured. In an idle process every 10 ms would take 0.7 % of a core, every 100 ms takes 0.06 %. */
export const MEASURED_EVERY_MS = 100;
/** More than fit between two samples. */
const MOST = 64;

export interface LoopDelay {
  /** To be called by a timer that is due every MEASURED_EVERY_MS. */
  tick(nowMs: number): void;
  /** The delays since it was called last. */
  take(): { delayP50Ms: number; delayP99Ms: number; delayMaxMs: number };
}

export function createLoopDelay(startMs: number): LoopDelay {
  const delays = new Float64Array(MOST);
  let count = 0;
  let longest = 0;
  let lastMs = startMs;

  return {
    tick(nowMs) {
      const delay = Math.max(0, nowMs - lastMs - MEASURED_EVERY_MS);
      lastMs = nowMs;
      longest = Math.max(longest, delay);
      if (count < MOST) delays[count++] = delay;
    },
    take() {
      const sorted = delays.subarray(0, count).sort();
      const at = (share: number) => sorted[Math.min(count - 1, Math.floor(share * count))] ?? 0;
      const taken = { delayP50Ms: at(0.5), delayP99Ms: at(0.99), delayMaxMs: longest };
      count = 0;
      longest = 0;
      return taken;
    },
  };
}
