// What stands at the end of a test run: what failed, what was unsteady, where the time went, and one sum of all files.

import { COUNTS, type FileRun } from './runFile.ts';

/** So many files may fail beside others and pass alone: more are no accident. */
const UNSTEADY_ALLOWED = 2;
const SLOWEST = 5;

export interface Verdict {
  ok: boolean;
  /** One run of each file: alone where it had to be repeated. */
  deciding: FileRun[];
  failed: FileRun[];
  /** The runs that failed beside others, of files that passed alone. */
  unsteady: FileRun[];
}

/** @param alone the second run of those that failed beside others */
export function verdictOf(runs: readonly FileRun[], alone: readonly FileRun[]): Verdict {
  const again = new Map(alone.map((run) => [run.file, run]));
  const deciding = runs.map((run) => again.get(run.file) ?? run);
  const failed = deciding.filter(({ ok }) => !ok);
  const unsteady = runs.filter(({ file, ok }) => !ok && again.get(file)?.ok);
  return { ok: failed.length === 0 && unsteady.length <= UNSTEADY_ALLOWED, deciding, failed, unsteady };
}

/** The closing lines, the sum in the form of Node's own. */
export function report({ deciding, failed, unsteady }: Verdict, durationMs: number): string {
  const slowest = [...deciding].sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST);
  const sum = (name: (typeof COUNTS)[number]): number => deciding.reduce((all, { counts }) => all + counts[name], 0);
  return [
    ...unsteady.flatMap(({ file, output }) => [`\nunsteady: ${file} failed beside others and passed alone:`, output]),
    // In the log of a single file it stands right above.
    ...(deciding.length > 1 ? failed.map(({ output }) => output) : []),
    `\nslowest: ${slowest.map(({ file, seconds }) => `${file} (${seconds.toFixed(1)} s)`).join(', ')}\n`,
    ...COUNTS.map((name) => `ℹ ${name} ${sum(name)}`),
    `ℹ duration_ms ${Math.round(durationMs)}`,
    ...(unsteady.length > 0 ? [`\nunsteady: ${unsteady.length} (more than ${UNSTEADY_ALLOWED} fail the run)`] : []),
    ...failed.map(({ file }) => `\n✖ failed: ${file}; again: node scripts/test.mjs ${file}`),
  ].join('\n');
}
