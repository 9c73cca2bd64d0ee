// Maps places in compiled code to lines in the source. It decodes a source map in slices, for the few places that a person sees,
// and builds no table: Node's own `SourceMap` takes seconds and 94 MB for the 13 MB map of a bundled service. If a map is missing
// or broken, the places stay as they are.
import { open, readFile, stat } from 'node:fs/promises';
import { findSourceMap } from 'node:module';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The last line of a file has the reference to its map; an inline map is longer than this. */
const TAIL_BYTES = 4096;
/** A larger map would hold the app for too long. */
const MAX_BYTES = 64 * 2 ** 20;
/** How many characters of mappings to decode before the app gets its turn; about two milliseconds. */
const SLICE = 200_000;

/** A position in a file; line and column count from 0. */
export interface Position {
  line: number;
  column: number;
}

export interface Original {
  file: string;
  /** From 1. */
  line: number;
}

/**
 * Finds the source of positions in a script.
 * @param url the script's path or file URL
 * @returns for each position its original place; undefined if no map tells it. Never throws.
 */
export async function originalsOf(url: string, positions: Position[]): Promise<(Original | undefined)[]> {
  try {
    return fromNode(url, positions) ?? (await fromFile(pathOf(url), positions));
  } catch {
    return positions.map(() => undefined);
  }
}

/** The path for a file URL or a path; returns anything else as it is. */
export function pathOf(url: string): string {
  try {
    return url.startsWith('file:') ? fileURLToPath(url) : url;
  } catch {
    return url;
  }
}

/** Uses the map that Node has already, with --enable-source-maps or from a loader that compiles in memory. */
function fromNode(url: string, positions: Position[]): (Original | undefined)[] | undefined {
  const map = findSourceMap(url) ?? findSourceMap(pathOf(url));
  if (!map) return undefined;
  return positions.map(({ line, column }) => {
    const entry = map.findEntry(line, column);
    if (!('originalSource' in entry) || entry.originalSource === undefined) return undefined;
    return { file: pathOf(entry.originalSource), line: entry.originalLine + 1 };
  });
}

async function fromFile(script: string, positions: Position[]): Promise<(Original | undefined)[]> {
  const nothing = positions.map(() => undefined);
  if (!script.startsWith('/')) return nothing;
  const map = await readMap(script);
  if (!map) return nothing;
  const found = await find(map.mappings, positions);
  return found.map((entry) => {
    const source = entry && map.sources[entry.source];
    return source ? { file: resolveSource(map.folder, map.root, source), line: entry.line + 1 } : undefined;
  });
}

interface SourceMapText {
  folder: string;
  root: string;
  sources: string[];
  mappings: string;
}

async function readMap(script: string): Promise<SourceMapText | undefined> {
  const reference = (await tailOf(script)).match(/\/\/[#@] ?sourceMappingURL=(\S+)\s*$/)?.[1];
  // An inline map begins before the tail.
  if (reference === undefined || reference.startsWith('data:'))
    return parseMap(await inlineMap(script), dirname(script));
  const file = reference.startsWith('file:')
    ? fileURLToPath(reference)
    : resolve(dirname(script), decodeURI(reference));
  return parseMap(await readSmall(file), dirname(file));
}

async function tailOf(file: string): Promise<string> {
  if (!(await stat(file)).isFile()) return '';
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const { buffer, bytesRead } = await handle.read(
      Buffer.alloc(TAIL_BYTES),
      0,
      TAIL_BYTES,
      Math.max(0, size - TAIL_BYTES),
    );
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

async function inlineMap(script: string): Promise<string> {
  const text = await readSmall(script);
  const at = text.lastIndexOf('sourceMappingURL=data:');
  const [, encoding, data] = /^sourceMappingURL=data:[^,]*?(;base64)?,(\S+)/.exec(at < 0 ? '' : text.slice(at)) ?? [];
  if (data === undefined) return '';
  return encoding ? Buffer.from(data, 'base64').toString() : decodeURIComponent(data);
}

async function readSmall(file: string): Promise<string> {
  const found = await stat(file);
  return !found.isFile() || found.size > MAX_BYTES ? '' : readFile(file, 'utf8');
}

/**
 * Takes the needed parts out of a map. Most of a map is the text of the sources, which would take JSON.parse half a second. In
 * that text every quotation mark has a backslash, so these patterns do not match inside it.
 */
function parseMap(text: string, folder: string): SourceMapText | undefined {
  const begin = /"mappings"\s*:\s*"/.exec(text);
  const from = begin ? begin.index + begin[0].length : -1;
  const mappings = from < 0 ? undefined : text.slice(from, text.indexOf('"', from));
  const sources = /"sources"\s*:\s*(\[(?:\s*(?:"(?:[^"\\]|\\.)*"|null)\s*,?)*\s*\])/.exec(text)?.[1];
  // A map of maps (`sections`) has several `mappings` and `sources`.
  if (mappings === undefined || sources === undefined || /"sections"\s*:\s*\[/.test(text)) return undefined;
  const root = /"sourceRoot"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  return {
    folder,
    root: root === undefined ? '' : (JSON.parse(root) as string),
    sources: JSON.parse(sources) as string[],
    mappings,
  };
}

function resolveSource(folder: string, root: string, source: string): string {
  const path = root === '' ? source : `${root.replace(/\/$/, '')}/${source}`;
  if (path.startsWith('file:')) return pathOf(path);
  // `webpack://app/./src/server.ts` names no file of this host.
  return /^[a-z][a-z+.-]+:\/\//.test(path) ? path : resolve(folder, path);
}

interface Entry {
  source: number;
  line: number;
}

/** Decodes mappings (base64 VLQ, each relative to the one before) up to the last wanted position. */
async function find(mappings: string, positions: Position[]): Promise<(Entry | undefined)[]> {
  const wanted = positions.map((position, index) => ({ ...position, index })).sort(byPlace);
  const found: (Entry | undefined)[] = positions.map(() => undefined);
  const values = digitValues();
  let next = 0;
  let line = 0;
  const fields = [0, 0, 0, 0, 0];
  let field = 0;
  let value = 0;
  let shift = 0;
  let before: (Entry & { at: number }) | undefined;
  /** A position belongs to the last mapping of its line that begins at or before it. */
  const settle = (upTo: Position) => {
    for (let ask = wanted[next]; ask && byPlace(ask, upTo) < 0; ask = wanted[++next]) {
      if (before?.at === ask.line) found[ask.index] = { source: before.source, line: before.line };
    }
  };
  const endSegment = () => {
    if (field === 0) return;
    settle({ line, column: fields[0]! });
    before = field >= 4 ? { source: fields[1]!, line: fields[2]!, at: line } : undefined;
    field = 0;
  };
  for (let i = 0; i < mappings.length && next < wanted.length; i++) {
    if (i % SLICE === SLICE - 1) await new Promise(setImmediate);
    const code = mappings.charCodeAt(i);
    if (code === COMMA) endSegment();
    else if (code === SEMICOLON) {
      endSegment();
      line += 1;
      fields[0] = 0;
    } else {
      const digit = values[code] ?? NO_DIGIT;
      if (digit === NO_DIGIT || field > 4) throw new Error('not a source map');
      value += (digit & 31) << shift;
      shift += 5;
      if (digit < 32) {
        fields[field]! += value & 1 ? -(value >> 1) : value >> 1;
        field += 1;
        value = 0;
        shift = 0;
      }
    }
  }
  endSegment();
  settle({ line: Number.POSITIVE_INFINITY, column: 0 });
  return found;
}

const COMMA = 44;
const SEMICOLON = 59;
const NO_DIGIT = 255;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function digitValues(): Uint8Array {
  const values = new Uint8Array(128).fill(NO_DIGIT);
  for (let i = 0; i < DIGITS.length; i++) values[DIGITS.charCodeAt(i)] = i;
  return values;
}

function byPlace(a: Position, b: Position): number {
  return a.line - b.line || a.column - b.column;
}
