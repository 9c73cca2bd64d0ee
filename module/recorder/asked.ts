// For what PM2 ended a process: it was asked to by a command, by the app's configuration, or by us.
import type { AskedCause, EndedBy } from '../../contract/exits.ts';
import { isParkedId, type PmId } from '../../contract/pmId.ts';

/** What is known of an exit by PM2. */
export interface AskedFacts {
  pmId: PmId;
  /** PM2 ended it, or kills the whole daemon. */
  isAsked: boolean;
  /** PM2 has counted its tries anew right before: a restart, and no stop. */
  isReset: boolean;
  /** A process that is not in cluster mode is restarted by a reload; PM2's log says so. */
  isReloadAsRestart: boolean;
  /** The limit was passed; bytes. */
  memory?: { currentBytes: number; limitBytes: number };
  /** Below `watch`. */
  changedPath?: string;
  /** PM2 took the schedule away, as it does for every restart of such a process, and the schedule says now. */
  cron?: { schedule: string; isDue: boolean };
  /** What a command said afterwards that it has done. */
  commands: readonly string[];
  /** One of our own calls. */
  own?: { what: string; call: 'restart' | 'reload' | 'remove' };
  /** PM2 lists it no more; undefined until its list was read. */
  isGone?: boolean;
  /** PM2 killed it so long after it had asked it to end. */
  killedAfterMs?: number;
}

export interface AskedFinding {
  cause: AskedCause;
  by: EndedBy;
  headline: string;
  evidence: string[];
}

/** Decides for what PM2 ended a process. */
export function askedFinding(facts: AskedFacts): AskedFinding {
  const { pmId, isReset, memory, changedPath, cron, commands, own } = facts;
  const isReload = isParkedId(pmId);
  const isRestart = isReload || isReset;
  if (own) return byUs(own);
  if (isRestart && memory) {
    const { currentBytes, limitBytes } = memory;
    return {
      cause: 'memory-limit',
      by: { who: 'pm2' },
      headline: `max_memory_restart: ${mebibytes(currentBytes)} of memory, the limit is ${mebibytes(limitBytes)}`,
      evidence: [`PM2 measured ${currentBytes} bytes, and the limit is ${limitBytes}`],
    };
  }
  const isCommanded = commands.some((command) => command === 'restart' || command === 'reload');
  if (isReset && changedPath !== undefined && !isCommanded)
    return {
      cause: 'watch',
      by: { who: 'pm2' },
      headline: `watch: ${changedPath} changed`,
      evidence: [`PM2 saw a change of ${changedPath}`],
    };
  if (isReset && cron?.isDue && !isCommanded)
    return {
      cause: 'cron',
      by: { who: 'pm2' },
      headline: `cron_restart: ${cron.schedule}`,
      evidence: [`PM2 restarted it at a time of its schedule ${cron.schedule}, and no command says that it did`],
    };
  const cause = isReload || (isReset && isReloadOf(facts)) ? 'reload' : isReset ? 'restart' : stopOrDelete(facts);
  return {
    cause,
    by: { who: 'somebody' },
    headline: `${VERB[cause]} by a command or the API of PM2`,
    evidence: [EVIDENCE[cause]],
  };
}

/** A stop and a delete look the same, until PM2's list is read. */
function stopOrDelete({ commands, isGone }: AskedFacts): 'stop' | 'delete' {
  if (commands.includes('stop')) return 'stop';
  return commands.includes('delete') || isGone ? 'delete' : 'stop';
}

function isReloadOf({ isReloadAsRestart, commands }: AskedFacts): boolean {
  return isReloadAsRestart || commands.includes('reload');
}

function byUs({ what, call }: { what: string; call: 'restart' | 'reload' | 'remove' }): AskedFinding {
  const cause = call === 'remove' ? 'delete' : what === 'reload' ? 'reload' : call;
  return {
    cause,
    by: { who: 'pm2-ops', what },
    headline: `${VERB[cause]} by pm2-ops (${what})`,
    evidence: [`pm2-ops had PM2 ${call === 'remove' ? 'delete' : call} it for ${what}`],
  };
}

const VERB = { reload: 'reloaded', restart: 'restarted', stop: 'stopped', delete: 'deleted' } as const;
const EVIDENCE = {
  reload: 'PM2 replaced it by another process, and neither a limit nor a schedule was the reason',
  restart: 'PM2 was asked to restart it, and neither a limit, a changed file nor a schedule was the reason',
  stop: 'PM2 was asked to end it, and still lists it',
  delete: 'PM2 was asked to end it, and lists it no more',
} as const;

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MB`;
}
