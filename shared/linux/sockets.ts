// The sockets of processes, from the kernel's tables: listeners, connections, and their descriptors.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { allProcesses, read, readLink } from './proc.ts';

export interface Listener {
  host: string;
  port: number;
  inode: string;
}

/** A listener, with its descriptor in the process. */
export interface OwnListener extends Listener {
  fd: number;
}

/** Does a process still have a socket open? That is one look; finding its port would mean reading long tables. */
export function hasOpen(pid: number, { fd, inode }: Pick<OwnListener, 'fd' | 'inode'>): boolean {
  return readLink(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
}

const TCP_ESTABLISHED = '01';
const TCP_LISTEN = '0A';
const TCP_TIME_WAIT = '06';

/** All TCP sockets that listen in a process's network namespace. */
export function listeners(pid: number): Listener[] {
  return ['tcp', 'tcp6'].flatMap((file) =>
    // The kernel lists the listening sockets first: a host with thousands of connections costs nothing here.
    rows(`/proc/${pid}/net/${file}`, (row) => row.state === TCP_LISTEN).map(({ local, inode }) => ({
      ...parseAddress(local),
      inode,
    })),
  );
}

/** A shorter piece is a table's last one. The kernel fills a page or more with rows of 150 bytes. A further read at the end takes
 * it as long as all reads before: milliseconds on a large host. */
const FULL_BYTES = 3800;

/** How many connections a port in this process's network namespace has. */
export function connectionsTo(pid: number, port: number): number {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['tcp', 'tcp6']
    .flatMap((file) => rows(`/proc/${pid}/net/${file}`))
    .filter(
      ({ local, state, inode }) =>
        local.endsWith(suffix) && state !== TCP_LISTEN && state !== TCP_TIME_WAIT && inode !== '0',
    ).length;
}

/**
 * Has a client connected to this process, on a port on which it listens itself, or the primary of its cluster does? Our own
 * connections, for example to its inspector, do not count.
 */
export function holdsClients(pid: number): boolean {
  const ports = new Set(listeners(pid).map(({ port }) => port));
  const held = established(pid).filter(({ local }) => ports.has(parseAddress(local).port));
  if (held.length === 0) return false;
  const ours = new Set(established(process.pid).map(({ local }) => local));
  return held.some(({ remote }) => !ours.has(remote));
}

/** Does a process hold the other end of one of our connections? */
export function isConnectedToUs(pid: number): boolean {
  return portsConnectedTo(pid).size > 0;
}

/** The local ports of our connections whose other end that process holds. */
export function portsConnectedTo(pid: number): Set<number> {
  const ours = new Set(established(process.pid).map(({ local }) => withoutMapping(local)));
  const remotes = established(pid).map(({ remote }) => withoutMapping(remote));
  return new Set(remotes.filter((remote) => ours.has(remote)).map((remote) => parseAddress(remote).port));
}

/** A server that listens on `::` sees an IPv4 client as `::ffff:127.0.0.1`. */
function withoutMapping(address: string): string {
  return address.replace(/^0{16}FFFF0000/, '');
}

/** Does a process have an open TCP connection? */
export function holdsConnections(pid: number): boolean {
  return established(pid).length > 0;
}

/** The flag of a Unix socket that listens (SO_ACCEPTCON, include/uapi/linux/net.h). */
const LISTENING_FLAG = 0x10000;

/** Does a process listen on a Unix socket whose path `wanted` accepts? */
export function listensOnSocketFile(pid: number, wanted: (path: string) => boolean): boolean {
  const paths = new Map<string, string>();
  for (const line of (read(`/proc/${pid}/net/unix`) ?? '').split('\n').slice(1)) {
    const [, , , flags = '0', , , inode = '', path = ''] = line.trim().split(/\s+/);
    if ((Number.parseInt(flags, 16) & LISTENING_FLAG) !== 0 && path !== '') paths.set(inode, path);
  }
  const own = ownSockets(pid, new Set(paths.keys()));
  return [...(own?.keys() ?? [])].some((inode) => wanted(paths.get(inode) ?? ''));
}

/** The open connections of a process. */
function established(pid: number): Row[] {
  const found = ['tcp', 'tcp6']
    .flatMap((file) => rows(`/proc/${pid}/net/${file}`))
    .filter(({ state }) => state === TCP_ESTABLISHED);
  const own = ownSockets(pid, new Set(found.map(({ inode }) => inode)));
  return found.filter(({ inode }) => own?.has(inode));
}

interface Row {
  local: string;
  remote: string;
  state: string;
  inode: string;
}

/** The rows of a socket table; with `wanted`, only those before the first row that it does not accept. */
function rows(path: string, wanted?: (row: Row) => boolean): Row[] {
  const found: Row[] = [];
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return found;
  }
  try {
    const chunk = Buffer.allocUnsafe(16_384);
    let rest = '';
    for (let first = true; ; ) {
      const length = readSync(fd, chunk, 0, chunk.length, null);
      if (length === 0) return found;
      const lines = (rest + chunk.toString('latin1', 0, length)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (first) {
          first = false;
          continue;
        }
        const fields = line.trim().split(/\s+/);
        const row = { local: fields[1] ?? '', remote: fields[2] ?? '', state: fields[3] ?? '', inode: fields[9] ?? '' };
        if (wanted && !wanted(row)) return found;
        found.push(row);
      }
      if (length < FULL_BYTES) return found;
    }
  } catch {
    return found;
  } finally {
    closeSync(fd);
  }
}

/** Reads `0100007F:240D`, which is 127.0.0.1, port 9229: words of 32 bits, each in the machine's byte order (little-endian). */
function parseAddress(text: string): { host: string; port: number } {
  const [address = '', port = '0'] = text.split(':');
  const bytes = Buffer.from(address, 'hex');
  bytes.swap32();
  const host =
    bytes.length === 4
      ? bytes.join('.')
      : Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(':');
  return { host, port: Number.parseInt(port, 16) };
}

/** The descriptors that a process has for these sockets, by inode; null if they cannot be read. */
export function ownSockets(pid: number, inodes: ReadonlySet<string>): Map<string, number> | null {
  const own = new Map<string, number>();
  if (inodes.size === 0) return own;
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readLink(`/proc/${pid}/fd/${fd}`) ?? '') ?? [];
      if (inode && inodes.has(inode)) own.set(inode, Number(fd));
    }
    return own;
  } catch {
    return null;
  }
}

/** Does the epoll instance `loopFd` of a process watch its descriptor `fd`? */
export function loopWatches(pid: number, loopFd: number, fd: number): boolean {
  return new RegExp(`^tfd:\\s*${fd}\\s`, 'm').test(read(`/proc/${pid}/fdinfo/${loopFd}`) ?? '');
}

/** The process that holds a socket, for a message: `nginx (pid 812)`; null if we may not look. */
export function ownerOf(inode: string): string | null {
  const pid = holderOf(inode);
  return pid === null ? null : `${read(`/proc/${pid}/comm`)?.trim() ?? 'a process'} (pid ${pid})`;
}

/** The pid of a process that holds a socket; null if there is none that we may look into. */
export function holderOf(inode: string): number | null {
  return allProcesses().find((pid) => ownSockets(pid, new Set([inode]))?.size) ?? null;
}
