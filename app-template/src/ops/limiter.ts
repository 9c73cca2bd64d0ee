// Counts what each address does within a window of time.

/** So many addresses are remembered; whoever has that many does not fill our memory with them. */
const ADDRESSES = 10_000;

export interface Limiter {
  /** Counts one more; false when that is over the limit. */
  take(address: string): boolean;
  /** Has this address used up its limit? */
  isOver(address: string): boolean;
}

/** @param limit how many in `windowMs` milliseconds; the window begins with the first */
export function createLimiter(limit: number, windowMs: number): Limiter {
  const windows = new Map<string, { count: number; endsMs: number }>();
  const current = (address: string) => {
    const window = windows.get(address);
    if (window !== undefined && window.endsMs > performance.now()) return window;
    windows.delete(address);
    return undefined;
  };

  return {
    take(address) {
      let window = current(address);
      if (window === undefined) {
        if (windows.size >= ADDRESSES) windows.delete(windows.keys().next().value as string); // The oldest.
        window = { count: 0, endsMs: performance.now() + windowMs };
        windows.set(address, window);
      }
      return ++window.count <= limit;
    },
    isOver: (address) => (current(address)?.count ?? 0) >= limit,
  };
}
