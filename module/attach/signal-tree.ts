// Whether an app has a SIGUSR1 handler of its own: /proc shows only that the signal is caught, and Node's handler (which
// opens the inspector) looks the same from there. libuv's tree of signal watchers, read from the process's memory, tells.

import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { inspectBinary } from './binary.ts';
import { read, readLink } from './proc.ts';

export type OwnHandler = 'yes' | 'no' | 'unreadable';

// uv_signal_t, whose layout is part of libuv 1's ABI and the same on every 64-bit Linux.
const TYPE = 16;
const SIGNUM = 104;
const LEFT = 112;
const RIGHT = 120;
const PARENT = 128;
const COLOR = 136;
const NODE_BYTES = 144;
const UV_SIGNAL = 16;
const MAX_WATCHERS = 4096;
const ATTEMPTS = 3;

/** Whether a process that is Node watches SIGUSR1 through libuv, as `process.on('SIGUSR1')` does. */
export function hasOwnHandler(pid: number): OwnHandler {
  try {
    const address = signalTreeAddress(pid);
    if (address === null) return 'unreadable';
    const memory = openSync(`/proc/${pid}/mem`, 'r');
    try {
      // The app may be changing the tree while we walk it: what makes no sense is read again.
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const signals = walk(memory, address);
        if (signals) return signals.includes(constants.signals.SIGUSR1) ? 'yes' : 'no';
      }
      return 'unreadable';
    } finally {
      closeSync(memory);
    }
  } catch {
    return 'unreadable';
  }
}

/** Where the tree's root pointer is in the process: in its binary, or in a shared libuv. */
function signalTreeAddress(pid: number): number | null {
  const executable = inspectBinary(`/proc/${pid}/exe`);
  if (executable.signalTree !== null) {
    if (!executable.relocated) return executable.signalTree;
    const path = readLink(`/proc/${pid}/exe`);
    const mapped = mappedFile(pid, (candidate) => candidate === path);
    return mapped && mapped.base + executable.signalTree;
  }
  const library = mappedFile(pid, (path) => /\/lib(?:uv|node)\.so[.\d]*$/.test(path));
  if (!library) return null;
  const { signalTree } = inspectBinary(`/proc/${pid}/root${library.path}`);
  return signalTree === null ? null : library.base + signalTree;
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

/** The signals of all watchers in the tree, or null when what is there is no such tree. */
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
