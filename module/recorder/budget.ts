// How many exits are recorded in full. Many processes in a restart loop must not keep the module busy: then records come without
// lines, figures and source maps, as the first ones had them.

/** Records in full at once, and how many more each second. */
const AT_ONCE = 30;
const EACH_SECOND = 3;

export interface Budget {
  /** Is there one more? */
  isForMore(): boolean;
  /** Takes one, if there is one. */
  take(): boolean;
}

/** @param now in milliseconds, from any beginning */
export function createBudget(now = () => performance.now()): Budget {
  let left = AT_ONCE;
  let atMs = now();
  const refill = () => {
    const sinceMs = now() - atMs;
    atMs += sinceMs;
    left = Math.min(AT_ONCE, left + (sinceMs / 1_000) * EACH_SECOND);
  };
  return {
    isForMore() {
      refill();
      return left >= 1;
    },
    take() {
      refill();
      if (left < 1) return false;
      left -= 1;
      return true;
    },
  };
}
