// Tells what kind of program a binary is, and where libuv keeps its signal watchers and its main loop in it. It reads a binary in
// pieces, because Node is 100 MB and this process has to stay small, and only once.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

export interface Binary {
  /** Does it have Node's own entry point, which no look-alike (Bun, Deno) exports? */
  isNode: boolean;
  /** The linked addresses of libuv's own variables; null in a stripped binary. */
  signalTree: number | null;
  mainLoop: number | null;
  /** Does the kernel load it at an address of its choice (ET_DYN), and not at the linked one? */
  relocated: boolean;
}

const NOTHING: Binary = { isNode: false, signalTree: null, mainLoop: null, relocated: false };
const NOTHING_FOUND: Pick<Binary, 'signalTree' | 'mainLoop'> = { signalTree: null, mainLoop: null };
const CHUNK_BYTES = 256 * 1024;
const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const STT_OBJECT = 1;
const ET_DYN = 3;
const SYMBOL_BYTES = 24;
/** `node::Start(int, char**)`. */
const NODE_START = '\0_ZN4node5StartEiPPc\0';
const SIGNAL_TREE = 'uv__signal_tree';
const MAIN_LOOP = 'default_loop_struct';

const known = new Map<string, Binary>();

/** Looks into an ELF file. For anything but a 64-bit ELF, returns that nothing is known. @throws when it cannot be opened */
export function inspectBinary(path: string): Binary {
  const fd = openSync(path, 'r');
  try {
    const { dev, ino, mtimeMs, size } = fstatSync(fd);
    const key = `${dev}:${ino}:${mtimeMs}:${size}`;
    let binary = known.get(key);
    if (!binary) {
      binary = parse(fd);
      if (known.size > 200) known.clear();
      known.set(key, binary);
    }
    return binary;
  } finally {
    closeSync(fd);
  }
}

interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
  /** In a table of symbols: how many local ones come before the first global one. */
  info: number;
}

function parse(fd: number): Binary {
  const header = bytesAt(fd, 0, 64);
  // 64 bits, little-endian.
  if (header.length < 64 || header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return NOTHING;
  const sections = readSections(fd, header);
  const strings = (symbols: Section | undefined) => (symbols ? sections[symbols.link] : undefined);
  const dynamicNames = strings(sections.find(({ type }) => type === SHT_DYNSYM));
  const isNode = dynamicNames !== undefined && offsetsOf(fd, dynamicNames, NODE_START).length > 0;
  const symbols = sections.find(({ type }) => type === SHT_SYMTAB);
  const names = strings(symbols);
  return {
    isNode,
    ...(symbols && names ? findVariables(fd, symbols, names) : NOTHING_FOUND),
    relocated: header.readUInt16LE(16) === ET_DYN,
  };
}

function readSections(fd: number, header: Buffer): Section[] {
  const size = header.readUInt16LE(0x3a);
  const count = header.readUInt16LE(0x3c);
  const table = bytesAt(fd, Number(header.readBigUInt64LE(0x28)), size * count);
  const sections: Section[] = [];
  for (let at = 0; size >= 64 && at + size <= table.length; at += size) {
    sections.push({
      type: table.readUInt32LE(at + 4),
      offset: Number(table.readBigUInt64LE(at + 24)),
      size: Number(table.readBigUInt64LE(at + 32)),
      link: table.readUInt32LE(at + 40),
      info: table.readUInt32LE(at + 44),
    });
  }
  return sections;
}

/** The addresses of libuv's variables. They are local symbols, which some compilers name `uv__signal_tree.0`. */
function findVariables(fd: number, symbols: Section, names: Section): Pick<Binary, 'signalTree' | 'mainLoop'> {
  const found = { ...NOTHING_FOUND };
  const wanted = new Map<number, keyof typeof found>();
  for (const [text, key] of [
    [SIGNAL_TREE, 'signalTree'],
    [MAIN_LOOP, 'mainLoop'],
  ] as const) {
    for (const offset of offsetsOf(fd, names, text)) {
      const after = bytesAt(fd, names.offset + offset + text.length, 8).toString('latin1');
      if (/^(\.\d+)?\0/.test(after)) wanted.set(offset, key);
    }
  }
  if (wanted.size === 0) return found;
  for (const { bytes, length } of chunks(fd, symbols.offset, symbols.size, SYMBOL_BYTES)) {
    for (let at = 0; at + SYMBOL_BYTES <= length; at += SYMBOL_BYTES) {
      const key = wanted.get(bytes.readUInt32LE(at));
      if (!key || (bytes[at + 4]! & 15) !== STT_OBJECT) continue;
      const address = Number(bytes.readBigUInt64LE(at + 8));
      if (address > 0) found[key] ??= address;
    }
    if (found.signalTree !== null && found.mainLoop !== null) break;
  }
  return found;
}

/** Where `text` begins in a section, as offsets from the section's start (after a leading NUL, if it has one). */
function offsetsOf(fd: number, section: Section, text: string): number[] {
  const needle = Buffer.from(text, 'latin1');
  const skip = text.startsWith('\0') ? 1 : 0;
  const found: number[] = [];
  for (const { bytes, length, start } of chunks(fd, section.offset, section.size, 1, needle.length - 1)) {
    const part = bytes.subarray(0, length);
    for (let at = part.indexOf(needle); at >= 0; at = part.indexOf(needle, at + 1)) found.push(start + at + skip);
  }
  return found;
}

/** Yields a file in pieces, in one reused buffer: each is a multiple of `unit` long and reaches `overlap` bytes into the next. */
function* chunks(fd: number, offset: number, size: number, unit: number, overlap = 0) {
  const step = CHUNK_BYTES - (CHUNK_BYTES % unit);
  const bytes = Buffer.allocUnsafe(step + overlap);
  for (let start = 0; start < size; start += step) {
    const length = readSync(fd, bytes, 0, Math.min(bytes.length, size - start), offset + start);
    if (length === 0) return;
    yield { bytes, length, start };
  }
}

function bytesAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(Math.min(length, 1024 * 1024));
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, position));
}
