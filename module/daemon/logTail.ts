// What a process wrote to its logs since a moment: the reason why it did not come up.
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** Sizes in bytes of the log files of a folder, at one moment. */
export type LogMarks = ReadonlyMap<string, number>;

/** The newest bytes of a file that are looked at. */
const LONGEST_BYTES = 16_384;

/** Five lines that Node writes when an agent is attached: not the app's. */
const NOT_THE_APPS =
  /^(Debugger (listening on|attached)|For help, see: https:\/\/nodejs\.org|Waiting for the debugger|Debugger ending)/;

/** Notes how long the log files are now, of the folders that these are in. */
export function markLogs(files: readonly string[]): LogMarks {
  const marks = new Map<string, number>();
  for (const folder of new Set(files.map(dirname))) {
    try {
      for (const name of readdirSync(folder)) {
        const stats = statSync(join(folder, name), { throwIfNoEntry: false });
        if (stats?.isFile()) marks.set(join(folder, name), stats.size);
      }
    } catch {
      // No logs yet.
    }
  }
  return marks;
}

/** The last lines written since, those of the error log last. */
export function linesSince(marks: LogMarks, files: readonly string[], lines = 15): string[] {
  return [...new Set(files)]
    .filter((file) => basename(file) !== 'null')
    .flatMap((file) => readFrom(file, marks.get(file) ?? 0).split('\n'))
    .filter((line) => line.trim() !== '' && !NOT_THE_APPS.test(line))
    .slice(-lines);
}

function readFrom(file: string, mark: number): string {
  try {
    const handle = openSync(file, 'r');
    try {
      const { size } = fstatSync(handle);
      const start = Math.max(size < mark ? 0 : mark, size - LONGEST_BYTES);
      const buffer = Buffer.alloc(size - start);
      return buffer.toString('utf8', 0, readSync(handle, buffer, 0, buffer.length, start));
    } finally {
      closeSync(handle);
    }
  } catch {
    return '';
  }
}
