// Exits that no module watched: it was restarted meanwhile, or the daemon ended and took it along. They are found by who lived when
// the module before wrote it down, and told by what the processes and PM2's log have left.
import { appOf } from '../../contract/app.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import { isSameSlot } from '../../contract/pmId.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { asDaemonsEnd } from './asDaemonsEnd.ts';
import { type DaemonLine, readDaemonLine, withoutTime } from './daemonLog.ts';
import type { DaemonLogFile } from './daemonLogFile.ts';
import { isRunning, isSameDaemon, type Kept, type Known } from './knownProcesses.ts';
import type { LeftBehind } from './leftBehind.ts';
import { recordOf } from './record.ts';
import type { ExitStore } from './store.ts';

interface Parts {
  before: Kept | undefined;
  fleet: Fleet;
  store: Pick<ExitStore, 'read'>;
  left: LeftBehind;
  daemonLog: DaemonLogFile;
  publish(record: ExitRecord): void;
  log(line: string): void;
}

/** Records them, and tells deletes that were part of the daemon's end from others. */
export async function recordUnwatched(parts: Parts): Promise<void> {
  const { before, store, left, daemonLog, publish, log } = parts;
  if (!before) return;
  const isDaemonNew = !isSameDaemon(before);
  if (isDaemonNew)
    for (const record of store.read({ since: before.at - LATELY_MS }).exits)
      if (before.lately.includes(record.id) && (record.asked ?? record.cause) === 'delete')
        publish(asDaemonsEnd(record, 'the daemon ended right after it, and another one runs now'));
  const gone = before.processes.filter((each) => !isRunning(each) && !isRecorded(store, each));
  if (gone.length === 0) return;
  const lines = linesOf(daemonLog.since(before.logBytes));
  for (const life of gone) {
    publish(await recordFor(life, lines, isDaemonNew, parts));
    left.discard(life.pid);
  }
  log(`${gone.length} processes ended while no module watched: pm2-ops why all`);
}

/** A daemon that is killed deletes its processes within this time. */
const LATELY_MS = 120_000;

function isRecorded(store: Parts['store'], life: Known): boolean {
  const { exits } = store.read({ apps: [appOf(life)], pmId: life.pmId, since: life.startedAt });
  return exits.some(({ pid, startedAt }) => pid === life.pid && startedAt === life.startedAt);
}

async function recordFor(
  life: Known,
  lines: readonly TimedLine[],
  isDaemonNew: boolean,
  { before, fleet, left }: Parts,
): Promise<ExitRecord> {
  const { pmId, name, namespace, mode, startedAt, restarts, pid } = life;
  const words = left.lastWords(pid);
  const report = left.heapReport(pid);
  const own = lines.filter(({ line }) => 'pmId' in line && isSameSlot(line.pmId, pmId));
  const exited = own.find(({ line }) => line.is === 'exited' && line.name === name);
  const stopping = own.find(({ line }) => line.is === 'stopping');
  const isAsked = stopping !== undefined && exited !== undefined && stopping.at <= exited.at;
  const said = exited?.line.is === 'exited' ? exited.line : undefined;
  const at = words?.at || exited?.at || Date.now();
  const next = fleet.get(pmId)?.process;
  const killed = lines.find(({ line }) => line.is === 'killed' && line.pid === pid)?.line;
  const sinceText = before ? new Date(before.at).toISOString() : '';
  return recordOf(
    {
      id: `${at}-${pmId}-${pid}`,
      at,
      event: {
        ...{ event: 'exit', isManual: false, at, pmId, name, namespace, mode, startedAt, restarts },
        ...{ status: isAsked ? 'stopping' : 'stopped', createdMs: 0, code: said?.code, stopExitCodes: [] },
        ...{ autorestart: true, isModule: false, unstableRestarts: 0 },
      },
      life,
      seen: { notes: [], thrown: [], stdout: [], stderr: [], stderrOfAll: '' },
      facts: {
        pmId,
        mode,
        isAsked,
        isReset: isAsked && next !== undefined,
        isReloadAsRestart: own.some(({ line }) => line.is === 'reload-as-restart'),
        commands: [],
        isGone: next === undefined,
        ...(killed?.is === 'killed' ? { killedAfterMs: killed.afterMs } : {}),
        pm2Code: said?.code,
        ...(said ? { pm2Signal: said.signal } : {}),
        hadAgent: words !== undefined,
        ...(words ? { words } : {}),
        ...(report ? { heapFull: report.says } : {}),
        // An exception of its own ended it, whatever became of the daemon.
        ...(isDaemonNew && words?.exception?.fatal !== true
          ? { daemonEnded: { how: 'it ran when the daemon did, and another daemon runs now', isSure: false } }
          : {}),
        isUnwatched: true,
      },
      words,
      figures: left.figures(pid),
      report: report?.file,
      drained: undefined,
      missing: [
        `stdout, stderr: no module ran when it ended, some time after ${sinceText}`,
        ...(words?.at || exited ? [] : ['when it ended: nothing tells']),
      ],
      followed:
        next && next.pid > 0 && next.startedAt > startedAt
          ? { is: 'started', pid: next.pid, afterMs: Math.max(0, next.startedAt - at) }
          : undefined,
    },
    true,
  );
}

interface TimedLine {
  /** 0 if the line has no time that can be read. */
  at: number;
  line: DaemonLine;
}

/** The lines of PM2's log that tell something, with the time that PM2 has put before them. */
function linesOf(text: string): TimedLine[] {
  return text.split('\n').flatMap((raw) => {
    const line = readDaemonLine(withoutTime(raw));
    if (!line) return [];
    const time = Date.parse(raw.slice(0, raw.indexOf(': PM2 ')));
    return [{ at: Number.isFinite(time) ? time : 0, line }];
  });
}
