// Checks of the host, of PM2 and of the module itself.
import { lstatSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { mainLoopFd, readText } from '../attach/index.ts';
import { NAME } from '../protocol.ts';
import { about, type Check, type Found } from './finding.ts';
import { lookForInspectors } from './inspectors.ts';

const OLDEST_NODE = 20;
const NEWEST_NODE = 26;
const OLDEST_PM2 = 5;
const NEWEST_PM2 = 7;
/** Less room than this for dumps, in bytes, is little. */
const LITTLE_DISK = 512 * 2 ** 20;
/** Size of a dump for each byte of used heap (as the agent reckons). */
const FILE_PER_HEAP_BYTE = 2.5;

export const HOST_CHECKS: Check[] = [
  {
    name: 'versions',
    look: ({ pm2, node, members }) => [
      ...inRange('PM2', pm2, OLDEST_PM2, NEWEST_PM2, 'npm install -g pm2 && pm2 update'),
      ...inRange(
        'Node, which runs this module,',
        node,
        OLDEST_NODE,
        NEWEST_NODE,
        'install a supported Node, then: pm2 update',
      ),
      ...members.flatMap((member): Found[] => {
        const { nodeVersion } = member.process;
        return nodeVersion === undefined || major(nodeVersion) >= OLDEST_NODE
          ? []
          : [
              {
                severity: 'warning',
                about: about(member),
                what: `runs Node ${nodeVersion}, which is older than ${OLDEST_NODE}: pm2-ops leaves it alone`,
                fix: `start it with a newer one: pm2 start … --interpreter /path/to/node`,
              },
            ];
      }),
    ],
  },
  {
    name: 'settings',
    look: ({ refused }) =>
      refused.map((what) => ({
        severity: 'error' as const,
        what,
        fix: /pm2-ops:(\w+)/.exec(what)?.[1]
          ? `pm2 unset ${/pm2-ops:\w+/.exec(what)?.[0]}`
          : `repair or remove ~/.pm2/module_conf.json`,
      })),
  },
  { name: 'state-folder', look: ({ folder }) => openFiles(folder) },
  {
    name: 'disk',
    look: ({ folder, statuses }) => {
      const { bavail, bsize } = statfsSync(folder);
      const largest = Math.max(0, ...[...statuses.values()].map(({ heapUsed }) => heapUsed));
      const need = Math.max(LITTLE_DISK, largest * FILE_PER_HEAP_BYTE);
      const have = bavail * bsize;
      if (have >= need) return [];
      return [
        {
          severity: have < largest * FILE_PER_HEAP_BYTE ? 'error' : 'warning',
          what: `${folder} has ${mb(have)} free; a dump of the largest heap here needs about ${mb(largest * FILE_PER_HEAP_BYTE)}`,
          fix: `du -sh ${folder}/*, then remove what is not needed, or: pm2 set ${NAME}:dump_keep 1`,
        },
      ];
    },
  },
  { name: 'inspector-port', look: lookForInspectors },
  {
    name: 'kernel',
    look: ({ settings }) => {
      if (settings.attach === 'off') return [];
      if (process.platform !== 'linux') {
        return [
          {
            severity: 'warning',
            what: `a live attach needs Linux (this is ${process.platform})`,
            fix: 'let apps load the agent themselves: node_args: "--import pm2-ops/agent"',
          },
        ];
      }
      if (mainLoopFd(process.pid) !== null && !isLimited()) return [];
      const why = isLimited()
        ? `the kernel lets this user read no other process's memory (ptrace_scope ${scope()})`
        : 'this Node is stripped of its symbols';
      return [
        {
          severity: 'info',
          what: `${why}: whether an app has its own SIGUSR1 handler cannot be seen, so each process is signalled once in its life`,
          fix: 'let apps load the agent themselves: node_args: "--import pm2-ops/agent"',
        },
      ];
    },
  },
];

function inRange(what: string, version: string, oldest: number, newest: number, fix: string): Found[] {
  const found = major(version);
  if (found < oldest)
    return [{ severity: 'error', what: `${what} is ${version}; the oldest supported is ${oldest}`, fix }];
  if (found > newest) {
    return [
      {
        severity: 'warning',
        what: `${what} is ${version}; the newest that was tested is ${newest}`,
        fix: `look for a newer pm2-ops: pm2 install ${NAME}`,
      },
    ];
  }
  return [];
}

function major(version: string): number {
  return Number.parseInt(version.replace(/^v/, ''), 10);
}

/** What others can read or enter: dumps hold secrets. */
function openFiles(folder: string): Found[] {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const open = ['', ...names].filter((name) => {
    const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
    return stats !== undefined && !stats.isSymbolicLink() && (stats.mode & 0o077) !== 0;
  });
  if (open.length === 0) return [];
  const which = open
    .slice(0, 3)
    .map((name) => join(folder, name))
    .join(', ');
  return [
    {
      severity: 'error',
      what: `other users can read or enter ${which}${open.length > 3 ? ` and ${open.length - 3} more` : ''}; dumps hold secrets`,
      fix: `chmod -R go-rwx ${folder}`,
    },
  ];
}

/** Yama's limit on looking into processes that one has not started. */
function scope(): number {
  return Number(readText('/proc/sys/kernel/yama/ptrace_scope') ?? 0);
}

function isLimited(): boolean {
  return process.getuid?.() !== 0 && scope() > 0;
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
