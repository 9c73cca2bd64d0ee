// V8's report of a process whose heap was full, which Node writes with the environment in it, and for all to read.
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { HEAP_REPORTS_FOLDER } from '../../contract/lastWords.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';
import { redact } from '../../shared/text/redact.ts';

export interface HeapReportSummary {
  /** `OOM error: …`, as V8 says it. */
  event: string;
  /** When it was written, in milliseconds of Date.now(). */
  at: number;
  heapUsedBytes: number;
  /** V8's limit of the whole heap, the young generation included. */
  heapLimitBytes: number;
  /** What JavaScript ran then, innermost first; empty during a collection that no JavaScript has caused. */
  stack: string[];
}

/** A larger one is not read: a report is as large as the list of the app's open handles. */
const MOST_BYTES = 32 * 1024 * 1024;

/** The reports that a process has left, newest last. */
export function heapReportsOf(stateFolder: string, pid: number): string[] {
  const folder = join(stateFolder, HEAP_REPORTS_FOLDER);
  try {
    const own = new RegExp(`^report\\.\\d+\\.\\d+\\.${pid}\\.\\d+\\.\\d+\\.json$`);
    return readdirSync(folder)
      .filter((name) => own.test(name))
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/**
 * Takes the environment, the addresses of the host and the secrets of the command line out of a report, and has only this user read it.
 * To be called after the end of its process.
 * @returns what it says of the end; null when it is no whole report. @throws when the file cannot be read or written
 */
export function stripReport(file: string): HeapReportSummary | null {
  const fd = openRegularSync(file, constants.O_RDWR);
  try {
    fchmodSync(fd, 0o600);
    const report = fstatSync(fd).size > MOST_BYTES ? undefined : parsed(readFileSync(fd, 'utf8'));
    ftruncateSync(fd);
    // A part of a report may hold the environment, so nothing of it stays.
    if (report === undefined) return null;
    const kept = withoutSecrets(report);
    writeAll(fd, Buffer.from(JSON.stringify(kept, null, 2)));
    return summaryOf(kept);
  } finally {
    closeSync(fd);
  }
}

/** From the beginning of the file, wherever reading has ended. */
function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, at);
}

interface Report {
  header?: Record<string, unknown>;
  javascriptStack?: { stack?: unknown };
  javascriptHeap?: Record<string, unknown>;
  workers?: unknown;
  [part: string]: unknown;
}

function parsed(text: string): Report | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Report) : undefined;
  } catch {
    return undefined;
  }
}

function withoutSecrets({ environmentVariables: _secret, header = {}, workers, ...rest }: Report): Report {
  const { networkInterfaces: _addresses, commandLine, ...head } = header;
  const words = Array.isArray(commandLine) ? redact(commandLine.map(String).join('\n')).split('\n') : [];
  return {
    header: { ...head, commandLine: words },
    ...rest,
    ...(Array.isArray(workers) ? { workers: workers.map((each) => withoutSecrets(each as Report)) } : {}),
  };
}

function summaryOf({ header, javascriptHeap, javascriptStack }: Report): HeapReportSummary {
  const number = (value: unknown) => (Number.isFinite(Number(value)) ? Number(value) : 0);
  const stack = javascriptStack?.stack;
  const lines = Array.isArray(stack) ? stack.map((line) => redact(String(line).trim())) : [];
  return {
    event: redact(String(header?.event ?? '')),
    at: number(header?.dumpEventTimeStamp),
    heapUsedBytes: number(javascriptHeap?.usedMemory),
    heapLimitBytes: number(javascriptHeap?.memoryLimit ?? javascriptHeap?.heapSizeLimit),
    stack: lines.filter((line) => line !== '' && line !== 'Unavailable.'),
  };
}
