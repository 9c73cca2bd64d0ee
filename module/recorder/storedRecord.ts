// An exit's record as a line of its file: bounded, without secrets, and read back without trust, because a line may be torn or of
// another version.
import * as z from 'zod/mini';
import type { ExitRecord } from '../../contract/exits.ts';
import { FIGURES, type FigureSample, RING_SLOTS } from '../../contract/figures.ts';
import { redact, redactLines } from '../../shared/text/redact.ts';

/** Characters of one text, and how many texts there are of each kind. */
const LONGEST = { line: 1_000, text: 2_000 };
/** Every line ends with this: one that does not was torn. */
const END = ',"whole":true}';
const TEXT = String.raw`"(?:[^"\\]|\\.)*"`;
const NUMBER = String.raw`-?\d+(?:\.\d+)?`;
const HEAD = new RegExp(
  `^(\\{"id":${TEXT},"at":${NUMBER},"pmId":(?:${NUMBER}|${TEXT}),"namespace":${TEXT},"name":${TEXT}),`,
);
/** Characters that `redactLines` takes at once. */
const BLOCK = 10_000;
const MOST = { lines: 100, stack: 50, evidence: 20 };

const texts = z.array(z.string());
/** What code that shows a record relies on. Other fields are optional, or only handed on. */
const stored = z.looseObject({
  id: z.string().check(z.minLength(1), z.maxLength(100)),
  at: z.number(),
  pmId: z.union([z.number(), z.string()]),
  name: z.string(),
  namespace: z.string(),
  pid: z.number(),
  uptimeMs: z.number(),
  restarts: z.number(),
  cause: z.string(),
  certainty: z.string(),
  by: z.looseObject({ who: z.string() }),
  headline: z.string(),
  evidence: texts,
  code: z.nullable(z.number()),
  signal: z.nullable(z.string()),
  stdout: texts,
  stderr: texts,
  figures: z.array(z.array(z.unknown())),
  missing: texts,
  exception: z.optional(z.looseObject({ message: z.string(), stack: texts })),
  followed: z.optional(z.looseObject({ is: z.string() })),
});

/**
 * A record as a line of JSON, without the line break. Figures are rows in the order of `FIGURES`: their names would be most of the
 * line.
 * @param maxBytes what the line may have; the oldest lines and figures are cut first
 */
export function toLine(record: ExitRecord, maxBytes: number): string {
  const kept = { ...record };
  for (;;) {
    const { id, at, pmId, namespace, name, ...rest } = kept;
    const line = `${JSON.stringify({ id, at, pmId, namespace, name, ...rest, figures: kept.figures.map(rowOf) }).slice(0, -1)}${END}`;
    if (Buffer.byteLength(line) <= maxBytes || !halve(kept)) return line;
  }
}

/** What tells a line from others, and the bytes in which that stands. */
export type LineHead = Pick<ExitRecord, 'id' | 'at' | 'pmId' | 'namespace' | 'name'>;
export const HEAD_BYTES = 8_192;

/**
 * Reads the head of a line without the rest of it, which is some hundred times as long.
 * @param head the first bytes of the line
 * @param end its last bytes
 * @returns undefined if the line is torn, or no record
 */
export function headOf(head: string, end: string): LineHead | undefined {
  const [, text] = (end.endsWith(END) && HEAD.exec(head)) || [];
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(`${text}}`) as LineHead;
    return found.id === '' ? undefined : found;
  } catch {
    return undefined;
  }
}

/** @returns undefined if the line is torn, or no record */
export function fromLine(line: string): ExitRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const found = stored.safeParse(value).data;
  if (!found) return undefined;
  const { whole: _end, ...record } = found;
  return { ...record, figures: record.figures.map(sampleOf) } as unknown as ExitRecord;
}

/** A copy whose texts have a limited length and number, and no secrets. */
export function bounded(record: ExitRecord): ExitRecord {
  const { exception, deploy } = record;
  return {
    ...record,
    headline: text(record.headline),
    evidence: lines(record.evidence.slice(0, MOST.evidence)),
    stdout: lines(record.stdout.slice(-MOST.lines)),
    stderr: lines(record.stderr.slice(-MOST.lines)),
    figures: record.figures.slice(-RING_SLOTS),
    missing: lines(record.missing.slice(0, MOST.evidence)),
    ...(exception
      ? {
          exception: {
            ...exception,
            message: text(exception.message),
            stack: lines(exception.stack.slice(0, MOST.stack)),
            ...(exception.at === undefined ? {} : { at: text(exception.at) }),
          },
        }
      : {}),
    ...(deploy ? { deploy: Object.fromEntries(Object.entries(deploy).map(([key, each]) => [key, text(each)])) } : {}),
  };
}

/** Halves what is long, the least telling first. @returns false if nothing is left to cut */
function halve(record: ExitRecord): boolean {
  const { exception } = record;
  const longest = Math.max(record.stdout.length, record.stderr.length);
  if (longest > 5) {
    record.stdout = record.stdout.slice(-Math.ceil(longest / 2));
    record.stderr = record.stderr.slice(-Math.ceil(longest / 2));
  } else if (record.figures.length > 0) {
    record.figures = record.figures.slice(Math.ceil(record.figures.length / 2));
  } else if (exception && exception.stack.length > 1) {
    record.exception = { ...exception, stack: exception.stack.slice(0, exception.stack.length >> 1) };
  } else if (longest > 0 || record.evidence.length > 1 || record.missing.length > 0) {
    Object.assign(record, { stdout: [], stderr: [], evidence: record.evidence.slice(0, 1), missing: [] });
  } else return false;
  return true;
}

/** Without secrets, in blocks that `redactLines` takes as a whole; it cuts off what is longer. */
function lines(texts: readonly string[]): string[] {
  const blocks: string[][] = [[]];
  let characters = 0;
  for (const text of texts) {
    const line = text.slice(0, LONGEST.line);
    characters += line.length + 1;
    if (characters > BLOCK) {
      blocks.push([]);
      characters = line.length + 1;
    }
    blocks.at(-1)?.push(line);
  }
  return blocks.flatMap(redactLines);
}

function text(given: string): string {
  return redact(given).slice(0, LONGEST.text);
}

function rowOf(sample: FigureSample): number[] {
  return FIGURES.map((field) => Math.round((sample[field] || 0) * 1_000) / 1_000);
}

/** An older version has fewer fields, which stand at the front. */
function sampleOf(row: readonly unknown[]): FigureSample {
  return Object.fromEntries(FIGURES.map((field, at) => [field, Number(row[at]) || 0])) as FigureSample;
}
