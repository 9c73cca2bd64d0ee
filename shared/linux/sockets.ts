// The sockets of processes, from the kernel's tables: who listens, who is connected, and which descriptor is which socket.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { allProcesses, read, readLink } from './proc.ts';

export interface Listener {
  host: string;
  port: number;
  inode: string;
}

/** A listener together with the descriptor by which its process has it. */
export interface OwnListener extends Listener {
  fd: number;
}

/** Whether a process still has a socket open: one look, where its port would have to be looked up in long tables. */
export function hasOpen(pid: number, { fd, inode }: Pick<OwnListener, 'fd' | 'inode'>): boolean {
  return readLink(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`;
}

const TCP_ESTABLISHED = '01';
const TCP_LISTEN = '0A';
const TCP_TIME_WAIT = '06';

/** All TCP sockets that listen in the network of a process. */
export function listeners(pid: number): Listener[] {
  return ['tcp', 'tcp6'].flatMap((file) =>
    // The kernel lists the listening sockets first: a host with thousands of connections costs nothing here.
    rows(`/proc/${pid}/net/${file}`, (row) => row.state === TCP_LISTEN).map(({ local, inode }) => ({
      ...parseAddress(local),
      inode,
    })),
  );
}

/** A table's last piece is shorter than this. The kernel fills a page or more with rows of 150 bytes, and looking for
 * further ones after the last takes it as long as for all before: milliseconds on a large host. */
const FULL_BYTES = 3800;

/** How many connections a port of this process's network has. */
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
 * Has a client connected to this process, on a port that it listens on itself, or the primary of its cluster? Our own
 * connections to it, to its inspector for example, do not count.
 */
export function holdsClients(pid: number): boolean {
  const ports = new Set(listeners(pid).map(({ port }) => port));
  const held = established(pid).filter(({ local }) => ports.has(parseAddress(local).port));
  if (held.length === 0) return false;
  const ours = new Set(established(process.pid).map(({ local }) => local));
  return held.some(({ remote }) => !ours.has(remote));
}

/** Does it hold the other end of a connection of this process's? */
export function isConnectedToUs(pid: number): boolean {
  return portsConnectedTo(pid).size > 0;
}

/** The local ports of this process's connections of which that process holds the other end. */
export function portsConnectedTo(pid: number): Set<number> {
  const ours = new Set(established(process.pid).map(({ local }) => withoutMapping(local)));
  const remotes = established(pid).map(({ remote }) => withoutMapping(remote));
  return new Set(remotes.filter((remote) => ours.has(remote)).map((remote) => parseAddress(remote).port));
}

/** A server that listens on `::` has the address of an IPv4 client as `::ffff:127.0.0.1`. */
function withoutMapping(address: string): string {
  return address.replace(/^0{16}FFFF0000/, '');
}

/** Has a process any TCP connection open? */
export function holdsConnections(pid: number): boolean {
  return established(pid).length > 0;
}

/** Flag of a unix socket that listens (SO_ACCEPTCON, include/uapi/linux/net.h). */
const LISTENING_FLAG = 0x10000;

/** Does a process listen on a unix socket whose path is wanted? */
export function listensOnSocketFile(pid: number, wanted: (path: string) => boolean): boolean {
  const paths = new Map<string, string>();
  for (const line of (read(`/proc/${pid}/net/unix`) ?? '').split('\n').slice(1)) {
    const [, , , flags = '0', , , inode = '', path = ''] = line.trim().split(/\s+/);
    if ((Number.parseInt(flags, 16) & LISTENING_FLAG) !== 0 && path !== '') paths.set(inode, path);
  }
  const own = ownSockets(pid, new Set(paths.keys()));
  return [...(own?.keys() ?? [])].some((inode) => wanted(paths.get(inode) ?? ''));
}

/** The connections that a process has open. */
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

/** Rows of a socket table, up to the first that is not wanted when `wanted` is given. */
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

/** `0100007F:240D` is 127.0.0.1, port 9229: words of 32 bits, each in the byte order of the machine (little-endian). */
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

/** Descriptors of a process that are one of these sockets: inode → descriptor. Null when they cannot be read. */
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

/** Whether the epoll instance `loopFd` of a process watches its descriptor `fd`. */
export function loopWatches(pid: number, loopFd: number, fd: number): boolean {
  return new RegExp(`^tfd:\\s*${fd}\\s`, 'm').test(read(`/proc/${pid}/fdinfo/${loopFd}`) ?? '');
}

/** The process that holds a socket, for a message: "nginx (pid 812)"; null where we may not look. */
export function ownerOf(inode: string): string | null {
  const pid = holderOf(inode);
  return pid === null ? null : `${read(`/proc/${pid}/comm`)?.trim() ?? 'a process'} (pid ${pid})`;
}

/** Pid of a process that holds a socket; null when there is none that we may look into. */
export function holderOf(inode: string): number | null {
  return allProcesses().find((pid) => ownSockets(pid, new Set([inode]))?.size) ?? null;
}
