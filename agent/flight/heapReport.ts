// A heap that is full ends the process in the middle of V8, which then writes Node's report if it was told to. It is told only while
// the heap is nearly full, because the folder for it is also that of the reports that the app writes itself.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { HEAP_REPORTS_FOLDER } from '../../contract/lastWords.ts';

/** From this share of its limit on, the heap is nearly full. */
const NEARLY_FULL = 0.7;

export interface HeapReport {
  /** To be called often: a heap may fill up within a second. Never throws. */
  look(heap: { usedBytes: number; limitBytes: number }): void;
  /** Takes back what was set. */
  stop(): void;
}

/** Node 22 and later have more settings than the types of 20. */
type Settings = Pick<
  NodeJS.ProcessReport,
  'directory' | 'filename' | 'reportOnFatalError' | 'reportOnSignal' | 'reportOnUncaughtException'
> & {
  /** Without the environment. */
  excludeEnv?: boolean;
  /** Without the names of peers, for which Node would ask the DNS. */
  excludeNetwork?: boolean;
};

export function createHeapReport(stateDir: string): HeapReport {
  const directory = join(stateDir, HEAP_REPORTS_FOLDER);
  let undo: (() => void) | undefined;

  return {
    look({ usedBytes, limitBytes }) {
      try {
        if (usedBytes > NEARLY_FULL * limitBytes) undo ??= arm();
        else disarm();
      } catch {
        // Then there is no report.
      }
    },
    stop: disarm,
  };

  function disarm(): void {
    undo?.();
    undo = undefined;
  }

  function arm(): (() => void) | undefined {
    const report = process.report as Settings | undefined;
    if (!report || isAppsOwn(report)) return undefined;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const { excludeEnv, excludeNetwork } = report;
    if (excludeEnv !== undefined) report.excludeEnv = true;
    if (excludeNetwork !== undefined) report.excludeNetwork = true;
    report.directory = directory;
    report.reportOnFatalError = true;
    return () => {
      // The app may have set one of its own meanwhile.
      if (report.directory !== directory) return;
      report.reportOnFatalError = false;
      report.directory = '';
      if (excludeEnv !== undefined) report.excludeEnv = excludeEnv;
      if (excludeNetwork !== undefined) report.excludeNetwork = excludeNetwork;
    };
  }
}

/** Does the app, or the command line, use Node's reports? */
function isAppsOwn(report: Settings): boolean {
  return (
    report.reportOnFatalError ||
    report.reportOnSignal ||
    report.reportOnUncaughtException ||
    Boolean(report.directory) ||
    Boolean(report.filename)
  );
}
