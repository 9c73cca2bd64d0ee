// Checks of single processes.
import { ageMs, readStat } from '../attach/index.ts';
import { findUnlisted } from '../daemon/unlisted.ts';
import { NAME } from '../protocol.ts';
import { realProcessOfMember } from '../realProcess.ts';
import { insteadOf, whyNot } from '../wrapperAdvice.ts';
import { about, byApp, type Check, type Found } from './finding.ts';

/** The outgoing processes of a reload are gone after this many milliseconds. */
const RELOAD_MS = 60_000;
/** Said about a process that has just started, it would be said too early. */
const SETTLED_MS = 30_000;
/** Memory that a dump needs for each byte of used heap (as the agent reckons). */
const MEMORY_PER_HEAP_BYTE = 12;

const TRIED_AGAIN = { severity: 'info', fix: 'nothing: it is tried again' } as const;

/** Why a process is not attached, and what to do about it, by code. */
const UNATTACHED: Record<string, Pick<Found, 'severity' | 'fix'>> = {
  'not-running': { severity: 'info', fix: 'pm2 start {id}' },
  'not-node': { severity: 'info', fix: 'nothing: it is left alone' },
  excluded: { severity: 'info', fix: `pm2 unset ${NAME}:exclude` },
  'not-included': { severity: 'info', fix: `pm2 unset ${NAME}:include` },
  detached: { severity: 'info', fix: `pm2 trigger ${NAME} attach id={id}` },
  'attach-off': {
    severity: 'info',
    fix: `pm2 set ${NAME}:attach live, or in its ecosystem file: node_args: "--import pm2-ops/agent"`,
  },
  blocked: { severity: 'error', fix: `${NAME} stack {id}` },
  stopped: { severity: 'error', fix: 'kill -CONT {pid}' },
  paused: { severity: 'warning', fix: 'end the debugging session' },
  busy: TRIED_AGAIN,
  new: TRIED_AGAIN,
  booting: TRIED_AGAIN,
  reloading: TRIED_AGAIN,
  dumping: TRIED_AGAIN,
};

export const PROCESS_CHECKS: Check[] = [
  {
    name: 'blocked',
    look: ({ members, blocked }) =>
      members.flatMap((member): Found[] => {
        const ms = blocked.get(member.process.pid);
        if (ms === undefined) return [];
        return [
          {
            severity: 'error',
            about: about(member),
            what: `its event loop has not answered for ${(ms / 1000).toFixed(1)} s`,
            fix: `${NAME} stack ${member.process.pmId}`,
          },
        ];
      }),
  },
  {
    name: 'errored',
    look: ({ members }) =>
      members
        .filter(({ process }) => process.status === 'errored')
        .map((member) => ({
          severity: 'error' as const,
          about: about(member),
          what: 'PM2 has given up starting it',
          fix: `pm2 logs ${member.process.name} --err --lines 50`,
        })),
  },
  {
    name: 'attached',
    look: ({ members, blocked }) =>
      members.flatMap((member): Found[] => {
        const { attachment, process } = member;
        if (attachment.is === 'attached' || process.status === 'errored' || blocked.has(process.pid)) return [];
        // What to do about a wrapper of the app is said below; an agent in it would help nobody.
        if (realProcessOfMember(member)?.is === 'wrapper') return [];
        const { severity, fix } = UNATTACHED[attachment.code] ?? {
          severity: 'warning',
          fix: 'in its ecosystem file: node_args: "--import pm2-ops/agent", then pm2 reload {id}',
        };
        const words = fix.replace('{id}', String(process.pmId)).replace('{pid}', String(process.pid));
        return [{ severity, about: about(member), what: `is not attached: ${attachment.reason}`, fix: words }];
      }),
  },
  {
    name: 'wrapper',
    look: ({ members }) =>
      members.flatMap((member): Found[] => {
        const real = realProcessOfMember(member);
        if (!real) return [];
        const severity = real.is === 'primary' ? 'info' : 'warning';
        const what = whyNot(real.is === 'primary' ? 'a drain' : 'whatever pm2-ops does', real);
        return [{ severity, about: about(member), what, fix: insteadOf(real, member.process.name) }];
      }),
  },
  {
    name: 'ready',
    look: ({ members, readyAt }) =>
      members.flatMap((member): Found[] => {
        const { waitReady, status, pmId, startedAt } = member.process;
        const startedMs = startedAt - performance.timeOrigin;
        const ageMs = Date.now() - startedAt;
        // Before this module it may have said it without our hearing it.
        if (!waitReady || status !== 'online' || startedMs <= 0 || ageMs < SETTLED_MS) return [];
        if ((readyAt(pmId) ?? Number.NEGATIVE_INFINITY) >= startedMs) return [];
        return [
          {
            severity: 'warning',
            about: about(member),
            what: 'wait_ready is on, and it never says ready: each start and reload waits for all of listen_timeout',
            fix: `in the app, once it listens: process.send('ready'); or take wait_ready out`,
          },
        ];
      }),
  },
  {
    name: 'memory-limit',
    look: ({ members, statuses }) =>
      members.flatMap((member): Found[] => {
        const { maxMemoryRestart, pid } = member.process;
        const status = statuses.get(pid);
        if (!status || maxMemoryRestart === 0) return [];
        const peak = status.rss + status.heapUsed * MEMORY_PER_HEAP_BYTE;
        if (peak <= maxMemoryRestart) return [];
        return [
          {
            severity: 'warning',
            about: about(member),
            what: `a heap dump takes it to about ${mb(peak)}, and PM2 restarts it above max_memory_restart (${mb(maxMemoryRestart)}): heapdump refuses`,
            fix: `max_memory_restart: '${Math.ceil(peak / 2 ** 20)}M' for the time of the dump; or a leak-report, which needs no such room`,
          },
        ];
      }),
  },
  {
    name: 'unlisted',
    look: ({ members }) => {
      const listed = new Set(members.map(({ process }) => process.pid));
      return byApp(members).flatMap(({ app, title }) =>
        findUnlisted(app, listed)
          .filter((pid) => ageOf(pid) > RELOAD_MS)
          .map((pid) => ({
            severity: 'error' as const,
            about: title,
            what: `process ${pid} is one of its instances, and PM2 does not list it: it serves old code for ever`,
            fix: `kill ${pid}`,
          })),
      );
    },
  },
];

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}

/** Since it was started, in milliseconds; 0 when it is gone. */
function ageOf(pid: number): number {
  const stat = readStat(pid);
  return stat ? ageMs(stat.startTime) : 0;
}
