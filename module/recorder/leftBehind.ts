// What a process that has ended has left in the state folder: its last words, its figures, V8's report.
import { readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { FigureSample } from '../../contract/figures.ts';
import { HEAP_REPORTS_FOLDER, type LastWords } from '../../contract/lastWords.ts';
import type { Figures } from '../figures/figures.ts';
import { heapReportsOf, stripReport } from '../figures/heapReport.ts';

export interface HeapReport {
  /** Its path in the state folder. Secrets have been taken out of the file. */
  file: string;
  /** What it says, for a person. */
  says: string;
}

export interface LeftBehind {
  lastWords(pid: number): LastWords | undefined;
  /** Oldest first. */
  figures(pid: number): FigureSample[];
  heapReport(pid: number): HeapReport | undefined;
  /** Why there is nothing of it; undefined where there may be something. */
  whyNone(pid: number): string | undefined;
  /** Removes what is in its record now. */
  discard(pid: number): void;
}

/** V8's reports are kept for records: so many of the newest. */
const MOST_REPORTS = 20;
const KEPT = /^exit-(\d+)-\d+\.json$/;

export function readLeftBehind(figures: Figures, stateFolder: string): LeftBehind {
  /** Reports that have been taken, of processes whose record is not complete. */
  const taken = new Map<number, HeapReport>();
  return {
    lastWords: figures.lastWords,
    figures: figures.history,
    whyNone: figures.whyNone,
    heapReport(pid) {
      const known = taken.get(pid);
      if (known) return known;
      const file = heapReportsOf(stateFolder, pid).at(-1);
      const report = file === undefined ? undefined : take(file, pid);
      if (report) taken.set(pid, report);
      return report;
    },
    discard(pid) {
      taken.delete(pid);
      figures.discard(pid);
    },
  };
}

/** Strips a report, and gives it a name by which the sweep of dead processes' files leaves it. */
function take(file: string, pid: number): HeapReport | undefined {
  try {
    const report = stripReport(file);
    if (!report) return undefined;
    const name = `exit-${report.at || Date.now()}-${pid}.json`;
    const folder = dirname(file);
    renameSync(file, join(folder, name));
    const kept = readdirSync(folder).filter((each) => KEPT.test(each));
    for (const oldest of kept.sort().slice(0, -MOST_REPORTS)) rmSync(join(folder, oldest), { force: true });
    const { event, heapUsedBytes, heapLimitBytes } = report;
    return {
      file: join(basename(HEAP_REPORTS_FOLDER), name),
      says: `V8 wrote a report: ${event}, ${mebibytes(heapUsedBytes)} of ${mebibytes(heapLimitBytes)} used`,
    };
  } catch {
    return undefined;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
