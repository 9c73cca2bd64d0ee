// Finds a server outside the main thread of its process: the kernel shows it, but the drain engine cannot see it. The agent uses
// this, too.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const TCP_LISTEN = '0A';
/** Node's inspector listens in a thread of its own, on this port or the next free ones. */
const INSPECTOR_PORTS = { first: 9229, last: 9328 };

/**
 * Where a process listens although its main thread has no server: in a worker thread, or in native code.
 * @returns `127.0.0.1:3000`; undefined if it does not, or if /proc does not tell
 */
export function listensElsewhere(pid: number | 'self'): string | undefined {
  try {
    const sockets = new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`)));
    for (const file of ['tcp', 'tcp6']) {
      for (const row of readFileSync(`/proc/${pid}/net/${file}`, 'latin1').split('\n').slice(1)) {
        const [, local = '', , state, , , , , , inode] = row.trim().split(/\s+/);
        // The kernel lists the listening sockets first.
        if (state !== TCP_LISTEN) break;
        const address = sockets.has(`socket:[${inode}]`) ? hostAndPortFrom(local) : undefined;
        if (address && !isInspector(address)) return `${address.host}:${address.port}`;
      }
    }
  } catch {
    // There is no /proc, or the process belongs to another user.
  }
  return undefined;
}

function isInspector({ host, port }: { host: string; port: number }): boolean {
  return host === '127.0.0.1' && port >= INSPECTOR_PORTS.first && port <= INSPECTOR_PORTS.last;
}

/** Reads `0100007F:0BB8`, which is 127.0.0.1, port 3000: words of 32 bits, each in the machine's byte order (little-endian). */
function hostAndPortFrom(text: string): { host: string; port: number } {
  const [address = '', port = '0'] = text.split(':');
  const bytes = Buffer.from(address, 'hex').swap32();
  if (bytes.length === 4) return { host: bytes.join('.'), port: Number.parseInt(port, 16) };
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return { host: `[${groups.join(':').replace(/^0(:0)*:0$/, '::')}]`, port: Number.parseInt(port, 16) };
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
