// Checks of single processes.

import { NAME } from '../../../contract/names.ts';
import { listensElsewhere } from '../../../shared/linux/listensElsewhere.ts';
import { ageMs, readStat } from '../../../shared/linux/proc.ts';
import { shellWord } from '../../../shared/text/shell.ts';
import { insteadOf, whyNot } from '../../../shared/wrapperAdvice.ts';
import { TURN_DOOR_ON } from '../../door/whyNot.ts';
import type { Member } from '../../fleet/fleet.ts';
import { realProcessOfMember } from '../../fleet/realProcess.ts';
import { findUnlisted } from '../../pm2/unlisted.ts';
import { about, byApp, type Check, type Found, type Host, type Remedy } from './finding.ts';
import { isOld, unset } from './host.ts';
import { forProcess, loadAgent, newerNode, reloadWith, wordsOf } from './lines.ts';

/** PM2 may not list a younger process yet. */
const STARTED_MS = 10_000;
/** PM2 calls an app with wait_ready online once it sends ready, which the module then hears within this time. */
const SETTLED_MS = 2_000;
/** The agent's estimate: bytes of memory that a dump needs for each byte of used heap. */
const MEMORY_PER_HEAP_BYTE = 12;

/** By the code of an attach outcome: how bad it is, and what to do. For other codes, the app can load the agent itself. */
const UNATTACHED: Record<string, (host: Host, member: Member) => Pick<Found, 'severity'> & Remedy> = {
  'not-node': () => ({ severity: 'info', say: 'nothing to do: pm2-ops leaves it alone' }),
  excluded: () => ({ severity: 'info', type: unset(`${NAME}:exclude`), say: 'if you did not mean that' }),
  'not-included': () => ({ severity: 'info', type: unset(`${NAME}:include`), say: 'if you did not mean that' }),
  detached: (_host, member) => ({
    severity: 'info',
    each: forProcess(member, (word) => `pm2 trigger ${NAME} attach id=${word}`),
  }),
  'attach-off': (host, member) => ({ severity: 'info', ...loadAgent(host, member) }),
  blocked: (_host, member) => ({ severity: 'error', ...unblock(member) }),
  stopped: (_host, { process: listed }) => ({ severity: 'error', type: [`kill -CONT ${listed.pid}`] }),
  'old-node': (_host, member) => ({ severity: 'warning', ...newerNode(member) }),
  paused: () => ({ severity: 'warning', say: 'end the debugging session' }),
};

/** Codes after which the module tries again by itself. */
const TRIED_AGAIN = new Set([
  ...['busy', 'new', 'booting', 'reloading', 'dumping', 'left', 'gone', 'unwanted', 'closing', 'connection'],
  ...['wrong-peer', 'lock-held', 'internal'],
]);

/** Codes of failures in the module; its log says more. */
const IN_THE_LOG = new Set(['script-failed', 'no-guard', 'no-journal']);

export const PROCESS_CHECKS: Check[] = [
  {
    name: 'blocked',
    look: ({ members, blocked }) =>
      members.flatMap((member): Found[] => {
        const ms = blocked.get(member.process.pid);
        if (ms === undefined) return [];
        const what = `its event loop has not answered for ${(ms / 1000).toFixed(1)} s`;
        return [{ severity: 'error', about: about(member), what, ...unblock(member) }];
      }),
  },
  {
    name: 'errored',
    look: (host) =>
      byApp(host.members.filter(({ process: listed }) => listed.status === 'errored')).map((app): Found => {
        const words = wordsOf(host, app).map(shellWord);
        return {
          severity: 'error',
          about: app.title,
          what: 'PM2 has given up starting it',
          type: words.flatMap((word) => [`pm2 logs ${word} --err --lines 50 --nostream`, `pm2 restart ${word}`]),
          say: 'before the restart, repair what its log shows',
        };
      }),
  },
  {
    name: 'attached',
    look: (host) =>
      host.members.flatMap((member): Found[] => {
        const { attachment, process: listed } = member;
        // The module cannot attach to a process that does not run.
        if (attachment.is === 'attached' || listed.status !== 'online' || host.blocked.has(listed.pid)) return [];
        // The check `wrapper` says what to do about a wrapper; an agent in it would see none of the app.
        if (realProcessOfMember(member)?.is === 'wrapper') return [];
        const { code, reason } = attachment;
        // The check `versions` says it.
        if (code === 'old-node' && isOld(listed.nodeVersion)) return [];
        const remedy: Pick<Found, 'severity'> & Remedy = TRIED_AGAIN.has(code)
          ? { severity: 'info', say: 'nothing to do: pm2-ops tries again' }
          : IN_THE_LOG.has(code)
            ? { severity: 'warning', type: [`pm2 logs ${NAME} --lines 50 --nostream`] }
            : isConfined(listed)
              ? { severity: 'info', say: 'nothing to do: pm2-ops leaves a process with --permission alone' }
              : (UNATTACHED[code]?.(host, member) ?? { severity: 'warning', ...loadAgent(host, member) });
        return [{ about: about(member), what: `is not attached: ${reason}`, ...remedy }];
      }),
  },
  {
    name: 'wrapper',
    look: ({ members }) =>
      members.flatMap((member): Found[] => {
        const real = realProcessOfMember(member);
        if (!real) return [];
        const severity = real.is === 'primary' ? 'info' : 'warning';
        const what = whyNot(real.is === 'primary' ? 'a drain' : 'every action', real);
        return [{ severity, about: about(member), what, say: insteadOf(real, member.process.name) }];
      }),
  },
  {
    name: 'worker-thread',
    look: ({ members, statuses }) =>
      members.flatMap((member): Found[] => {
        const { pid } = member.process;
        if (realProcessOfMember(member) || statuses.get(pid)?.serves !== false || member.state !== 'no-server')
          return [];
        const address = listensElsewhere(pid);
        if (address === undefined) return [];
        return [
          {
            severity: 'warning',
            about: about(member),
            what: `one of its servers listens on ${address} outside its main thread (in a worker thread or native code), where pm2-ops cannot drain it: PM2 cuts its requests when it ends the process`,
            say: 'listen in the main thread and pass the work to worker threads, or let PM2 start the file that listens as an app of its own',
          },
        ];
      }),
  },
  {
    name: 'door',
    look: ({ members, doors }) =>
      members.flatMap((member): Found[] => {
        const why = doors.whyNot(member);
        if (why === undefined || !doors.isPrepared(member) || member.process.status !== 'online') return [];
        return [
          {
            severity: 'warning',
            about: about(member),
            what: `its restarts refuse clients until it listens again, because its sockets cannot be held: ${why}`,
            ...(why.includes(TURN_DOOR_ON) ? { type: [TURN_DOOR_ON] } : { say: 'change that, and restart it' }),
          },
        ];
      }),
  },
  {
    name: 'ready',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const silent = app.instances.some(({ process: { waitReady, status, pmId, startedAt } }) => {
          const startedMs = startedAt - performance.timeOrigin;
          const ageMs = Date.now() - startedAt;
          // An instance that started before this module may have sent `ready` before the module could hear it.
          if (!waitReady || status !== 'online' || startedMs <= 0 || ageMs < SETTLED_MS) return false;
          return (host.fleet.readyAt(pmId) ?? Number.NEGATIVE_INFINITY) < startedMs;
        });
        if (!silent) return [];
        return [
          {
            severity: 'warning',
            about: app.title,
            what: 'wait_ready is on, but the app never sends ready: each start and reload takes the whole listen_timeout',
            each: reloadWith(host, app),
            say: "first, in the app, once it listens: process.send?.('ready'); or set wait_ready: false in the ecosystem file, then pm2 reload ecosystem.config.js",
          },
        ];
      }),
  },
  {
    name: 'memory-limit',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const [{ process: listed }] = app.instances;
        const peaks = app.instances.flatMap((member) => {
          const status = host.statuses.get(member.process.pid);
          return status ? [status.rss + status.heapUsed * MEMORY_PER_HEAP_BYTE] : [];
        });
        const peak = Math.max(0, ...peaks);
        if (listed.maxMemoryRestart === 0 || peak <= listed.maxMemoryRestart) return [];
        const enough = `${Math.ceil((peak * 1.2) / 2 ** 20)}M`;
        return [
          {
            severity: 'warning',
            about: app.title,
            what: `a heap dump takes it to about ${mb(peak)}, and PM2 restarts it above max_memory_restart (${mb(listed.maxMemoryRestart)}): heapdump refuses`,
            each: reloadWith(host, app, '--max-memory-restart', enough),
            ecosystem: { max_memory_restart: enough },
            say: 'for the time of the dump; or use leak-report, which needs little memory',
          },
        ];
      }),
  },
  {
    name: 'unlisted',
    look: ({ members }) => {
      const listed = new Set(members.map(({ process: { pid } }) => pid));
      return byApp(members).flatMap(({ app, title }) =>
        findUnlisted(app, listed)
          .filter((pid) => ageOf(pid) > STARTED_MS)
          .map((pid): Found => {
            const what = `process ${pid} is one of its instances, but PM2 does not list it: it serves old code until someone ends it`;
            return { severity: 'error', about: title, what, type: [`kill ${pid}`] };
          }),
      );
    },
  },
];

/** Shows where a process is blocked, and what ends that. */
function unblock(member: Member): Remedy {
  const { pmId } = member.process;
  return {
    type: [`pm2 trigger ${NAME} stack id=${pmId}`, `pm2 restart ${pmId}`],
    say: 'type the second only if it does not recover by itself',
  };
}

/** Was it started with --permission? Such a Node may not be able to read the agent's file either. */
function isConfined({ nodeArgs = [] }: Member['process']): boolean {
  return nodeArgs.some((option) => /^--(experimental-)?permission$/.test(option));
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}

/** How long a process has run, in milliseconds; 0 when it is gone. */
function ageOf(pid: number): number {
  const stat = readStat(pid);
  return stat ? ageMs(stat.startTime) : 0;
}
