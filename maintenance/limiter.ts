// Counts what each client does within a window of time.
import { isIPv6 } from 'node:net';

/** So many clients are remembered, so that a crowd of them does not fill the memory. */
const CLIENTS = 10_000;

export interface Limiter {
  /** Counts one more. */
  count(address: string): void;
  /** Has this client used up its limit? */
  isOver(address: string): boolean;
}

/** @param limit how many in `windowMs`; the window begins with the first */
export function createLimiter(limit: number, windowMs: number, nowMs = () => performance.now()): Limiter {
  const windows = new Map<string, { count: number; endsMs: number }>();
  const current = (client: string) => {
    const window = windows.get(client);
    if (window !== undefined && window.endsMs > nowMs()) return window;
    windows.delete(client);
    return undefined;
  };

  return {
    count(address) {
      const client = clientOf(address);
      let window = current(client);
      if (window === undefined) {
        // The oldest goes.
        if (windows.size >= CLIENTS) windows.delete(windows.keys().next().value as string);
        window = { count: 0, endsMs: nowMs() + windowMs };
        windows.set(client, window);
      }
      window.count += 1;
    },
    isOver: (address) => (current(clientOf(address))?.count ?? 0) >= limit,
  };
}

/** One client of IPv6 has a whole /64 network: 2^64 addresses. */
function clientOf(address: string): string {
  const plain = address.replace(/%.*$/, '');
  if (!isIPv6(plain) || /\d\.\d/.test(plain)) return plain.replace(/^::ffff:/i, '');
  const [before = '', after] = plain.toLowerCase().split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const groups = after === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill('0'), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`;
}
