// Checks of how processes end: in a loop, unseen, or killed before they could help themselves.
import type { ExitRecord } from '../../../contract/exits.ts';
import { memoryLimitOf } from '../../../shared/linux/cgroup.ts';
import { shellLine, shellWord } from '../../../shared/text/shell.ts';
import { type AppInstances, byApp, type Check, type Found, type Host } from './finding.ts';
import { moduleAction, reloadWith, wordsOf } from './lines.ts';

/** A process is in a loop when it has ended by itself so often in so many minutes. */
const LOOP_EXITS = 3;
const LOOP_MS = 10 * 60_000;
const MIB = 2 ** 20;
/** A code that no process ends with: they are 0 to 255. */
const NO_CODE = 256;
/** Of a limit, what V8's heap may have: buffers, code and stacks need the rest. */
const HEAP_SHARE = 0.75;
/** V8's limit has this much for young objects beside `--max-old-space-size`, and no app does with less than the second. */
const YOUNG_BYTES = 48 * MIB;
const LEAST_OLD_BYTES = 64 * MIB;

export const EXIT_CHECKS: Check[] = [
  {
    name: 'restart-loop',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const exits = loopOf(host, app);
        const [newest] = exits;
        if (!newest || exits.length < LOOP_EXITS) return [];
        const minutes = Math.max(1, Math.ceil((Date.now() - (exits.at(-1)?.at ?? 0)) / 60_000));
        return [
          {
            severity: 'error',
            about: app.title,
            what: `has ended ${exits.length} times by itself in ${minutes} minutes, the last time: ${newest.headline}`,
            type: [moduleAction('why', app)],
            say: `repair what that says, then: ${wordsOf(host, app)
              .map((word) => shellLine('pm2', 'restart', word))
              .join(' && ')}`,
          },
        ];
      }),
  },
  {
    name: 'stop-exit-codes',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const { mode, stopExitCodes = [] } = app.instances[0].process;
        if (mode !== 'cluster' || !stopExitCodes.includes(0)) return [];
        const others = stopExitCodes.filter((code) => code !== 0);
        return [
          {
            severity: 'warning',
            about: app.title,
            what: 'stop_exit_codes has 0, and PM2 takes every crash in cluster mode for an exit with code 0: it leaves a crashed instance stopped',
            // PM2's command line takes one code, and no empty list.
            ...(others.length > 1
              ? { say: 'then: pm2 reload ecosystem.config.js' }
              : { each: reloadWith(host, app, '--stop-exit-codes', String(others[0] ?? NO_CODE)) }),
            ecosystem: { stop_exit_codes: others },
          },
        ];
      }),
  },
  {
    name: 'swallowed-rejections',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const count = app.instances.reduce(
          (sum, { process: { pid } }) => sum + (host.newestFigures(pid)?.rejections ?? 0),
          0,
        );
        if (count === 0) return [];
        const [{ process: listed }] = app.instances;
        return [
          {
            severity: 'warning',
            about: app.title,
            what: `${count} promise rejection(s) were handled by nobody: Node would have ended the process, but PM2 listens for them, so the app goes on in a state that it did not expect`,
            type: [`pm2 logs ${listed.pmId} --err --lines 50 --nostream`],
            say: "its log has them; catch them where they happen, or have the app end as without PM2: process.on('unhandledRejection', (error) => { throw error })",
          },
        ];
      }),
  },
  {
    name: 'heap-limit',
    look: (host) =>
      byApp(host.members).flatMap((app): Found[] => {
        const [{ process: listed }] = app.instances;
        const heap = Math.max(
          0,
          ...app.instances.map(({ process: { pid } }) => host.newestFigures(pid)?.heapLimitBytes ?? 0),
        );
        const limits = [
          {
            bytes: listed.maxMemoryRestart,
            who: 'PM2 restarts it above max_memory_restart',
            severity: 'info' as const,
          },
          {
            bytes: memoryLimitOf(listed.pid) ?? 0,
            who: 'the kernel kills it above the limit of its cgroup',
            severity: 'warning' as const,
          },
        ].filter(({ bytes }) => bytes > 0 && bytes < heap);
        const limit = limits.sort((a, b) => a.bytes - b.bytes)[0];
        if (!limit) return [];
        const old = Math.floor((limit.bytes * HEAP_SHARE - YOUNG_BYTES) / MIB);
        const what = `V8 lets its heap grow to ${mb(heap)}, but ${limit.who} (${mb(limit.bytes)}): it is ended while V8 sees no need to collect`;
        if (old < LEAST_OLD_BYTES / MIB)
          return [
            {
              severity: limit.severity,
              about: app.title,
              what,
              say: `${mb(limit.bytes)} is little for an app of Node: raise that limit`,
            },
          ];
        const node_args = [...withoutHeapLimit(listed.nodeArgs ?? []), `--max-old-space-size=${old}`];
        return [
          {
            severity: limit.severity,
            about: app.title,
            what,
            ...(node_args.some((option) => /\s/.test(option))
              ? { say: 'then: pm2 reload ecosystem.config.js' }
              : { each: reloadWith(host, app, '--node-args', shellWord(node_args.join(' '))) }),
            ecosystem: { node_args },
          },
        ];
      }),
  },
];

/** The exits that nobody asked for since somebody last did something about the app, newest first. */
function loopOf({ exits }: Host, { app, instances }: AppInstances): ExitRecord[] {
  const recent = exits.read({ apps: [app], since: Date.now() - LOOP_MS }).exits;
  const [newest] = recent;
  // PM2 has given up, and the process runs again: somebody has started it.
  const runs = instances.some(
    ({ process: { status, startedAt } }) => status === 'online' && startedAt > (newest?.at ?? 0),
  );
  if (newest?.followed?.is === 'gave-up' && runs) return [];
  const asked = recent.findIndex(({ by }) => by.who === 'somebody' || by.who === 'pm2-ops');
  return recent.slice(0, asked < 0 ? undefined : asked).filter(isByItself);
}

function isByItself({ by, cause }: ExitRecord): boolean {
  return by.who === 'itself' || cause === 'kernel-out-of-memory' || cause === 'memory-limit';
}

function withoutHeapLimit(options: readonly string[]): string[] {
  return options.filter((option) => !option.startsWith('--max-old-space-size'));
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / MIB)} MB`;
}
