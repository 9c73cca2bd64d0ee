// Reads the lines that PM2's daemon writes to its log and to its bus: they tell what its events leave out, above all the signal, and
// why PM2 ended a process. PM2 5, 6 and 7 write them in the same words but for one.
import type { PmId } from '../../contract/pmId.ts';

/** What a line tells. `pmId` is that of the process then: `_old_3` where PM2 reloads 3. */
export type DaemonLine =
  /** PM2 names SIGINT where there was no signal, and code 0 where there was one. */
  | { is: 'exited'; pmId: PmId; name: string; code: number; signal: string }
  | { is: 'starting'; pmId: PmId; name: string }
  | { is: 'stopping'; pmId: PmId; name: string }
  /** The time between two tries to start it. */
  | { is: 'backoff'; pmId: PmId; delayMs: number }
  /** A file under an app's `watch` has changed, and PM2 restarts all its processes. */
  | { is: 'changed'; name: string; path: string }
  | { is: 'memory-limit'; pmId: PmId; currentBytes: number; limitBytes: number }
  /** A process with `cron_restart` is about to be restarted, by its schedule or by somebody. */
  | { is: 'cron-removed'; pmId: PmId }
  /** A reload of a process that is not in cluster mode, or not online: PM2 restarts it. */
  | { is: 'reload-as-restart'; pmId: PmId }
  /** `kill_timeout` was over. */
  | { is: 'killed'; pid: number; afterMs: number };

/** PM2's own lines are shorter, whatever path or name is in them. */
const LONGEST = 8_192;

const READERS: [pattern: RegExp, read: (found: string[]) => DaemonLine][] = [
  [
    /^App \[(.*):(_old_\d+|\d+)\] exited with code \[(-?\d+)\] via signal \[(\w+)\]$/s,
    ([name = '', id = '', code, signal = '']) => ({
      is: 'exited',
      pmId: idOf(id),
      name,
      code: Number(code),
      signal: nameOfSignal(signal),
    }),
  ],
  [
    /^App \[(.*):(_old_\d+|\d+)\] starting in -(?:fork|cluster) mode-$/s,
    ([name = '', id = '']) => ({ is: 'starting', pmId: idOf(id), name }),
  ],
  [/^Stopping app:(.*) id:(_old_\d+|\d+)$/s, ([name = '', id = '']) => ({ is: 'stopping', pmId: idOf(id), name })],
  [
    /^App \[.*:(_old_\d+|\d+)\] will restart in (\d+(?:\.\d+)?)ms$/s,
    ([id = '', ms]) => ({ is: 'backoff', pmId: idOf(id), delayMs: Number(ms) }),
  ],
  [
    /^Change detected on path (.*) for app (.*) - restarting$/s,
    ([path = '', name = '']) => ({ is: 'changed', path, name }),
  ],
  [
    /^\[PM2\]\[WORKER\] Process (_old_\d+|\d+) restarted because it exceeds --max-memory-restart value \(current_memory=(\d+) max_memory_limit=(\d+) \[octets\]\)$/,
    ([id = '', current, limit]) => ({
      is: 'memory-limit',
      pmId: idOf(id),
      currentBytes: Number(current),
      limitBytes: Number(limit),
    }),
  ],
  [/^\[PM2\] Deregistering a cron job on: (_old_\d+|\d+)$/, ([id = '']) => ({ is: 'cron-removed', pmId: idOf(id) })],
  [
    /^Process (_old_\d+|\d+) in a stopped status, starting it$/,
    ([id = '']) => ({ is: 'reload-as-restart', pmId: idOf(id) }),
  ],
  [
    // PM2 5 and 6: "sending it SIGKILL now..."; PM2 7: "sending SIGKILL to 1 remaining pids..."
    /^Process with pid (\d+) still alive after (\d+)ms, sending .*SIGKILL/,
    ([pid, ms]) => ({ is: 'killed', pid: Number(pid), afterMs: Number(ms) }),
  ],
];

/** What a line of PM2's log tells; undefined for the many lines that tell nothing of an end. @param line without its time */
export function readDaemonLine(line: string): DaemonLine | undefined {
  if (line.length > LONGEST) return undefined;
  const text = line.trimEnd();
  for (const [pattern, read] of READERS) {
    const found = pattern.exec(text);
    if (found) return read(found.slice(1));
  }
  return undefined;
}

/** A line of PM2's log file, without the time and the word before it, as the bus carries it. */
export function withoutTime(line: string): string {
  return line.replace(/^.{0,60}? PM2 (?:log|error|info|warn): /, '');
}

function idOf(text: string): PmId {
  return text.startsWith('_') ? text : Number(text);
}

/** Node gives the number of a signal where it knows no name. */
function nameOfSignal(signal: string): string {
  return /^\d+$/.test(signal) ? `signal ${signal}` : signal;
}
