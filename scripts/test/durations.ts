// How long each test file took when it was last recorded (`--record`): the longest begin first, so that the lanes end together.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.ts';
import type { FileRun } from './runFile.ts';

const DURATIONS = join(ROOT, 'scripts', 'test', 'durations.json');
/** A file that is not recorded yet. */
const UNKNOWN_SECONDS = 20;

/** The files, longest first; by name where nothing is known. */
export function longestFirst(files: readonly string[]): string[] {
  const known = read();
  const secondsOf = (file: string): number => known[file] ?? UNKNOWN_SECONDS;
  return [...files].sort((a, b) => secondsOf(b) - secondsOf(a) || a.localeCompare(b));
}

/** Remembers how long they took, beside what is known of others. */
export function record(runs: readonly FileRun[]): void {
  const known = read();
  for (const { file, seconds } of runs) known[file] = Math.round(seconds);
  const kept = Object.entries(known).sort(([, a], [, b]) => b - a);
  writeFileSync(DURATIONS, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
}

function read(): Record<string, number> {
  return JSON.parse(readFileSync(DURATIONS, 'utf8'));
}
