// Reads the end of PM2's own log file. It has what no event has: what V8 says of a full heap of a cluster worker, whose stderr is
// the daemon's, and the lines of a time when the module did not run.
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Read at most. */
const MOST_BYTES = 256 * 1024;

export interface DaemonLogFile {
  /** What was written since a size of the file, its last part if that is much. '' without such a file. Never throws. */
  since(bytes: number): string;
  /** Its size now. */
  size(): number;
}

export function openDaemonLogFile(file: string): DaemonLogFile {
  return {
    since: (bytes) => quietly((fd) => tail(fd, bytes)) ?? '',
    size: () => quietly((fd) => fstatSync(fd).size) ?? 0,
  };

  function quietly<T>(look: (fd: number) => T): T | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
      return fstatSync(fd).isFile() ? look(fd) : undefined;
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }
}

function tail(fd: number, from: number): string {
  const { size } = fstatSync(fd);
  // A log that was rotated is shorter than it was.
  const start = Math.max(from > size ? 0 : from, size - MOST_BYTES);
  const bytes = Buffer.alloc(size - start);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, start));
}

/** V8's words about a full heap of that process; several workers may write to one file. */
export function heapWords(text: string, pid?: number): string | undefined {
  const fatal = (line: string) => /^(?:FATAL ERROR|#\s*Fatal).*(?:out of memory|heap limit|OOM)/i.test(line);
  if (pid === undefined) return text.split('\n').find(fatal)?.trim();
  // V8 does not end every line of its own.
  const own = text.lastIndexOf(`[${pid}:0x`);
  return own < 0 ? undefined : text.slice(own).split('\n').find(fatal)?.trim();
}
