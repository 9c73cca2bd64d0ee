// What Linux tells about a process in /proc: read, never asked, so that looking cannot disturb anyone.

import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';

/** A process, told apart from a later one with the same pid. `startTime` is in clock ticks since boot. */
export interface ProcessId {
  pid: number;
  startTime: number;
}

export interface Stat {
  /** `R`, `S`, `D`, `T`, `t`, `Z`, … */
  state: string;
  parent: number;
  startTime: number;
}

/** The file's text, or null when the process is gone or hides it. */
export function read(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null;
  }
}

export function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}

/** Null when there is no such process, or only its zombie. */
export function readStat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  // The name in the second field may hold spaces and parentheses.
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, parent] = fields ?? [];
  const startTime = Number(fields?.[19]);
  if (!state || !Number.isSafeInteger(startTime) || state === 'Z' || state === 'X' || state === 'x') return null;
  return { state, parent: Number(parent), startTime };
}

/** Whether this very process (not a later one with its pid) is alive. */
export function isAlive({ pid, startTime }: ProcessId): boolean {
  return readStat(pid)?.startTime === startTime;
}

/** Pids of the living children of a process, whichever of its threads has started them; empty when it is gone. */
export function childrenOf(pid: number): number[] {
  const lists = threadsOf(pid).map((tid) => read(`/proc/${pid}/task/${tid}/children`));
  // A kernel without these lists has every process say who its parent is.
  const children = lists.every((list) => list === null) ? allProcesses() : lists.join(' ').split(/\s+/).map(Number);
  return children.filter((child) => child > 0 && readStat(child)?.parent === pid);
}

/** Ids of the threads of a process, the main one first; empty when it is gone. */
export function threadsOf(pid: number): number[] {
  return numbersIn(`/proc/${pid}/task`);
}

/** Pids of all processes that can be seen. */
export function allProcesses(): number[] {
  return numbersIn('/proc');
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .map(Number)
      .filter((number) => number > 0);
  } catch {
    return [];
  }
}

/** Changes with every boot of the host, so that pids of an earlier one are not taken for today's. */
export function bootId(): string {
  return read('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** Age of a process in milliseconds. */
export function ageMs(startTime: number): number {
  const uptimeSeconds = Number(read('/proc/uptime')?.split(' ')[0] ?? Number.NaN);
  // Clock ticks are 100 a second on every Linux that Node runs on.
  return Math.max(0, uptimeSeconds * 1000 - startTime * 10);
}

export interface Status {
  /** Bit n-1 is set when signal n is caught. */
  caught: bigint;
  /** The pid as the process itself sees it, in its own pid namespace. */
  innerPid: number;
  uid: number;
}

export function readStatus(pid: number): Status | null {
  const text = read(`/proc/${pid}/status`);
  const field = (name: string) => text?.match(new RegExp(`^${name}:\\s*(.*)$`, 'm'))?.[1]?.split(/\s+/);
  const caught = field('SigCgt')?.[0];
  if (!caught) return null;
  return {
    caught: BigInt(`0x${caught}`),
    innerPid: Number(field('NSpid')?.at(-1) ?? pid),
    uid: Number(field('Uid')?.[0]),
  };
}

/** The words a process was started with that Node reads as its options. Incomplete: PM2 overwrites the command line
 * with a title, so its environment (what PM2 puts there, and NODE_OPTIONS) counts as well. */
export function nodeOptions(pid: number): string[] {
  const words = (read(`/proc/${pid}/cmdline`) ?? '').split('\0');
  const script = words.findIndex((word, index) => index > 0 && !word.startsWith('-'));
  const options = words.slice(1, script < 0 ? undefined : script);
  for (const variable of (read(`/proc/${pid}/environ`) ?? '').split('\0')) {
    const [, value] = /^(?:NODE_OPTIONS|node_args)=(.*)$/s.exec(variable) ?? [];
    if (value) options.push(...value.split(/[\s,]+/));
  }
  return options.filter(Boolean);
}

const DEFAULT_INSPECTOR_PORT = 9229;

/** The port that a process would open its inspector on; 0 is any. A guess where its options cannot be read. */
export function expectedPort(pid: number): number {
  let port = DEFAULT_INSPECTOR_PORT;
  for (const word of nodeOptions(pid)) {
    const [, value] = /^--(?:inspect(?:-brk|-wait|-port)?|debug-port)=(?:.*:)?(\d+)$/.exec(word) ?? [];
    if (value !== undefined) port = Number(value);
  }
  return port;
}

/** Was a process told to open an inspector by whoever started it? */
export function wasToldToInspect(pid: number): boolean {
  return nodeOptions(pid).some((word) => /^--inspect(-brk|-wait)?(=|$)/.test(word));
}

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
export function hasOpen(pid: number, { fd, inode }: OwnListener): boolean {
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

/** How many connections a port of this process's network has, whatever is at their other ends. */
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
 * Has a client connected to this process, on a port that somebody listens on: itself, or the primary of its cluster? What we
 * have open to it ourselves, to its inspector for example, does not count.
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
  const ours = new Set(established(process.pid).map(({ local }) => local));
  return established(pid).some(({ remote }) => ours.has(remote));
}

/** Has a process any TCP connection open, whoever began it? */
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

/** "nginx (pid 812)" for whoever holds a socket, as far as we may look. */
export function ownerOf(inode: string): string | null {
  const pid = holderOf(inode);
  return pid === null ? null : `${read(`/proc/${pid}/comm`)?.trim() ?? 'a process'} (pid ${pid})`;
}

/** Pid of a process that holds a socket; null when there is none that we may look into. */
export function holderOf(inode: string): number | null {
  return allProcesses().find((pid) => ownSockets(pid, new Set([inode]))?.size) ?? null;
}
