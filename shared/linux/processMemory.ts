// Reads from a process's memory what nothing else tells. Has the app a SIGUSR1 handler of its own? /proc shows only that the
// signal is caught, as it is by Node's handler, which opens the inspector. On which epoll instance does its main event loop wait?
// `spawnSync` blocks the app in one that looks the same. libuv's variables are found by their symbols.

import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { inspectBinary } from './elf.ts';
import { read, readLink } from './proc.ts';

export type OwnHandler = 'yes' | 'no' | 'unreadable';

// Offsets in uv_signal_t, whose layout is part of libuv 1's ABI and the same on every 64-bit Linux.
const TYPE = 16;
const SIGNUM = 104;
const LEFT = 112;
const RIGHT = 120;
const PARENT = 128;
const COLOR = 136;
const NODE_BYTES = 144;
const UV_SIGNAL = 16;
/** An offset in uv_loop_t. */
const BACKEND_FD = 64;
const MAX_WATCHERS = 4096;
const ATTEMPTS = 3;

/** Does a Node process watch SIGUSR1 through libuv, as `process.on('SIGUSR1')` does? */
export function hasOwnHandler(pid: number): OwnHandler {
  const signals = withVariable(pid, 'signalTree', (memory, address) => {
    // The app may change the tree while this reads it. If the result makes no sense, read it again.
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = walk(memory, address);
      if (found) return found;
    }
    return null;
  });
  if (!signals) return 'unreadable';
  return signals.includes(constants.signals.SIGUSR1) ? 'yes' : 'no';
}

/** The descriptor of the epoll instance of a Node process's main event loop; null if it cannot be read. */
export function mainLoopFd(pid: number): number | null {
  return withVariable(pid, 'mainLoop', (memory, address) => {
    const fd = bytesAt(memory, address + BACKEND_FD, 8)?.readInt32LE() ?? 0;
    return fd > 0 && readLink(`/proc/${pid}/fd/${fd}`) === 'anon_inode:[eventpoll]' ? fd : null;
  });
}

/** Reads one of libuv's variables; null if it cannot be found or read. */
function withVariable<T>(
  pid: number,
  name: 'signalTree' | 'mainLoop',
  use: (memory: number, address: number) => T | null,
): T | null {
  try {
    const address = locationOf(pid, name);
    if (address === null) return null;
    const memory = openSync(`/proc/${pid}/mem`, 'r');
    try {
      return use(memory, address);
    } finally {
      closeSync(memory);
    }
  } catch {
    return null;
  }
}

/** The address of a variable in the process: in its binary, or in a shared libuv. */
function locationOf(pid: number, name: 'signalTree' | 'mainLoop'): number | null {
  const executable = inspectBinary(`/proc/${pid}/exe`);
  const linked = executable[name];
  if (linked !== null) {
    if (!executable.relocated) return linked;
    const path = readLink(`/proc/${pid}/exe`);
    const mapped = mappedFile(pid, (candidate) => candidate === path);
    return mapped && mapped.base + linked;
  }
  const library = mappedFile(pid, (path) => /\/lib(?:uv|node)\.so[.\d]*$/.test(path));
  if (!library) return null;
  const address = inspectBinary(`/proc/${pid}/root${library.path}`)[name];
  return address === null ? null : library.base + address;
}

/** The first mapping of a file from its beginning, which is where a relocated binary is loaded. */
export function mappedFile(pid: number, wanted: (path: string) => boolean): { path: string; base: number } | null {
  for (const line of (read(`/proc/${pid}/maps`) ?? '').split('\n')) {
    const [, start = '', offset = '', path = ''] =
      /^([0-9a-f]+)-[0-9a-f]+ \S+ ([0-9a-f]+) \S+ \d+\s+(\/.*)$/.exec(line) ?? [];
    if (path && Number.parseInt(offset, 16) === 0 && wanted(path)) return { path, base: Number.parseInt(start, 16) };
  }
  return null;
}

/** The signals of all watchers in the tree; null if the memory holds no such tree. */
function walk(memory: number, root: number): number[] | null {
  const signals: number[] = [];
  const todo: { address: number; parent: number }[] = [];
  const first = bytesAt(memory, root, 8);
  if (!first) return null;
  const child = (bytes: Buffer, at: number, parent: number) => {
    const address = Number(bytes.readBigUInt64LE(at));
    if (address !== 0) todo.push({ address, parent });
  };
  child(first, 0, 0);
  for (let next = todo.pop(); next; next = todo.pop()) {
    const node = bytesAt(memory, next.address, NODE_BYTES);
    const signal = node?.readInt32LE(SIGNUM) ?? 0;
    const plausible =
      node !== null &&
      node.readInt32LE(TYPE) === UV_SIGNAL &&
      signal > 0 &&
      signal <= 64 &&
      node.readUInt32LE(COLOR) <= 1 &&
      Number(node.readBigUInt64LE(PARENT)) === next.parent;
    if (!plausible || signals.push(signal) > MAX_WATCHERS) return null;
    child(node, LEFT, next.address);
    child(node, RIGHT, next.address);
  }
  return signals;
}

function bytesAt(memory: number, address: number, length: number): Buffer | null {
  if (address % 8 !== 0 || address >= 2 ** 48) return null;
  const bytes = Buffer.alloc(length);
  return readSync(memory, bytes, 0, length, address) === length ? bytes : null;
}
