// The page on which a reader finds the tables that are made here.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from '../../testkit/folders.ts';

export const PAGE = join(ROOT, 'docs', 'benchmarks.md');

/** Replaces what stands between two lines of a file. @throws when they are not there */
export function writeBetweenMarks(file: string, marks: readonly [string, string], text: string): void {
  const content = readFileSync(file, 'utf8');
  const [from, to] = marks.map((mark) => content.indexOf(mark)) as [number, number];
  if (from < 0 || to < from) throw new Error(`${file} lacks the lines ${marks.join(' and ')}`);
  write(file, `${content.slice(0, from + marks[0].length)}\n\n${text}\n\n${content.slice(to)}`);
}

export function write(file: string, content: string): void {
  writeFileSync(file, content);
  console.log(`${relative(process.cwd(), file)} written.`);
}
