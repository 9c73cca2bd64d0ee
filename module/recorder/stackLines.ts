// The lines of a stack, with the places in the source where a source map tells them, and the app's own first one.
import { relative } from 'node:path';
import { originalsOf, pathOf } from '../../shared/sourceMaps.ts';

const MOST_LINES = 30;
/** Files whose maps are looked for, from the top of the stack. */
const MOST_FILES = 5;
/** A disk that does not answer must not hold the record. */
const WITHIN_MS = 700;

const LONGEST_LINE = 1_000;
/** `at pay (/app/pay.js:12:3)`, or `at /app/pay.js:12:3`. */
const PLACE = /^(.* \(|\s*at (?:async )?)((?:file:\/\/)?\/.*):(\d+):(\d+)(\)?)$/;

export interface StackLines {
  stack: string[];
  /** `src/pay.ts:12`, or `lib/pay.js:12:3` without a map. */
  at?: string;
}

/**
 * @param cwd the app's folder, to which its own place is relative
 * @param mapped are source maps looked for? They are files that the stack names
 */
export async function stackLines(stack: string, cwd: string | undefined, mapped: boolean): Promise<StackLines> {
  const lines = stack
    .split('\n', MOST_LINES)
    .map((line) => line.slice(0, LONGEST_LINE))
    .filter((line) => line.trim() !== '');
  const plain = asTheyAre(lines, cwd);
  if (!mapped) return plain;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<StackLines>((resolve) => {
    timer = setTimeout(resolve, WITHIN_MS, plain);
  });
  try {
    return await Promise.race([withSources(lines, cwd), late]);
  } finally {
    clearTimeout(timer);
  }
}

interface Place {
  file: string;
  line: number;
  column: number;
}

async function withSources(lines: readonly string[], cwd: string | undefined): Promise<StackLines> {
  const places = lines.map(placeIn);
  const files = [...new Set(places.flatMap((place) => (place && isApps(place.file) ? [place.file] : [])))];
  const sources = new Map<string, string>();
  for (const file of files.slice(0, MOST_FILES)) {
    const own = places.filter((place): place is Place => place?.file === file);
    const found = await originalsOf(
      file,
      own.map(({ line, column }) => ({ line: line - 1, column: Math.max(0, column - 1) })),
    );
    for (const [index, original] of found.entries())
      if (original && own[index]) sources.set(keyOf(own[index]), `${original.file}:${original.line}`);
  }
  const mapped = lines.map((line, index) => {
    const place = places[index];
    const source = place && sources.get(keyOf(place));
    return source === undefined
      ? line
      : line.replace(PLACE, (_all, before, _file, _line, _column, end) => `${before}${source}${end}`);
  });
  const first = places.find((place) => place && isApps(place.file));
  return { stack: mapped, ...(first ? { at: shortened(sources.get(keyOf(first)) ?? keyOf(first), cwd) } : {}) };
}

function asTheyAre(lines: string[], cwd: string | undefined): StackLines {
  const first = lines.map(placeIn).find((place) => place && isApps(place.file));
  return { stack: lines, ...(first ? { at: shortened(keyOf(first), cwd) } : {}) };
}

function placeIn(line: string): Place | undefined {
  const [, , file, row, column] = PLACE.exec(line) ?? [];
  return file === undefined ? undefined : { file: pathOf(file), line: Number(row), column: Number(column) };
}

/** Neither Node's, nor a dependency's, nor PM2's. */
function isApps(file: string): boolean {
  return !file.startsWith('node:') && !/\/node_modules\//.test(file) && !/\/pm2\/lib\/Process/.test(file);
}

function keyOf({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

function shortened(place: string, cwd: string | undefined): string {
  const inside = cwd === undefined ? '..' : relative(cwd, place);
  return inside.startsWith('..') ? place : inside;
}
