// Checks of the host, of PM2 and of the module itself.
import { existsSync, lstatSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { titleOf } from '../../../contract/app.ts';
import { NAME } from '../../../contract/names.ts';
import { read as readText } from '../../../shared/linux/proc.ts';
import { mainLoopFd } from '../../../shared/linux/processMemory.ts';
import { shellLine, shellWord } from '../../../shared/text/shell.ts';
import { matches } from '../../pm2/settings.ts';
import { about, type Check, type Found } from './finding.ts';
import { lookForInspectors } from './inspectors.ts';
import { loadAgent, loadsAgent, newerNode } from './lines.ts';

const OLDEST_NODE = 20;
const NEWEST_NODE = 26;
const OLDEST_PM2 = 5;
const NEWEST_PM2 = 7;
/** Doctor warns below this much free disk, in bytes. */
const LITTLE_DISK = 512 * 2 ** 20;
/** The agent's estimate: bytes of a dump for each byte of used heap. */
const FILE_PER_HEAP_BYTE = 2.5;

export const HOST_CHECKS: Check[] = [
  {
    name: 'versions',
    look: (host) => [
      ...inRange('PM2', host.pm2, OLDEST_PM2, NEWEST_PM2, ['npm install -g pm2', 'pm2 update']),
      ...inRange('Node, which runs this module,', host.node, OLDEST_NODE, NEWEST_NODE, ['pm2 update']),
      ...host.members.flatMap((member): Found[] => {
        const { nodeVersion } = member.process;
        if (!isOld(nodeVersion)) return [];
        return [
          {
            severity: 'warning',
            about: about(member),
            what: `runs Node ${nodeVersion}, which is older than ${OLDEST_NODE}: pm2-ops leaves it alone`,
            ...newerNode(member),
          },
        ];
      }),
    ],
  },
  {
    name: 'settings',
    look: ({ refused, settingsFile }) =>
      refused.map((what): Found => {
        const key = /pm2-ops:[\w.-]+/.exec(what)?.[0];
        if (key === undefined)
          return {
            severity: 'error',
            what,
            say: `repair its JSON by hand (PM2 keeps the list of its modules there, too): ${shellWord(settingsFile)}`,
            type: [`pm2 restart ${NAME}`],
          };
        return { severity: 'error', what, type: unset(key) };
      }),
  },
  {
    name: 'setting-names',
    look: ({ settings, members }) =>
      (['include', 'exclude'] as const).flatMap((key) =>
        settings[key].flatMap((pattern): Found[] => {
          const names = members.flatMap(({ process: listed }) => [listed.name, titleOf(listed)]);
          if (names.length === 0 || pattern === '*' || names.some((name) => matches(name, [pattern]))) return [];
          const others = settings[key].filter((each) => each !== pattern);
          const words = pattern.split(/\s+/);
          const areSeveral = words.length > 1 && words.some((word) => names.some((name) => matches(name, [word])));
          const rest = areSeveral ? [...others, ...words] : others;
          return [
            {
              severity: /[*?]/.test(pattern) ? 'info' : 'warning',
              what: `${NAME}:${key} names ${JSON.stringify(pattern)}, but no app has that name${areSeveral ? ': commas separate names, not spaces' : ''}`,
              type:
                rest.length > 0 ? [shellLine('pm2', 'set', `${NAME}:${key}`, rest.join(','))] : unset(`${NAME}:${key}`),
            },
          ];
        }),
      ),
  },
  {
    name: 'rules',
    look: ({ refusedRules }) =>
      refusedRules().map(
        (what): Found => ({
          severity: 'error',
          what: `${what}; the rules stay as they were`,
          say: `mend that line; then look with: ${shellLine(NAME, 'rules', '--check')}`,
        }),
      ),
  },
  { name: 'state-folder', look: ({ folder }) => openFiles(folder) },
  {
    name: 'disk',
    look: ({ folder, statuses }) => {
      const dumps = join(folder, 'dumps');
      const { bavail, bsize } = statfsSync(existsSync(dumps) ? dumps : folder);
      const largest = Math.max(0, ...[...statuses.values()].map(({ heapUsed }) => heapUsed));
      const need = Math.max(LITTLE_DISK, largest * FILE_PER_HEAP_BYTE);
      const have = bavail * bsize;
      if (have >= need) return [];
      const own = sizeOf(dumps);
      const severity = have < largest * FILE_PER_HEAP_BYTE ? 'error' : 'warning';
      const what = `the disk of ${dumps} has ${mb(have)} free; ${mb(need)} are advisable. A dump of the largest heap here needs about ${mb(largest * FILE_PER_HEAP_BYTE)}`;
      if (have + own < need)
        return [
          {
            severity,
            what,
            type: [`df -h ${shellWord(dumps)}`],
            say: `free ${mb(need - have)} there; the dumps take ${mb(own)}`,
          },
        ];
      return [
        {
          severity,
          what,
          type: [`ls -lh ${shellWord(dumps)}`, `rm ${shellWord(dumps)}/*.heapsnapshot*`],
          say: `before the rm, copy the dumps that you still need; all dumps together take ${mb(own)}`,
        },
      ];
    },
  },
  {
    name: 'alerts',
    look: ({ alerts }) =>
      alerts.troubles().map((trouble): Found => ({ ...trouble, type: [`pm2 trigger ${NAME} alerts test=true`] })),
  },
  { name: 'inspector-port', look: lookForInspectors },
  {
    name: 'kernel',
    look: (host) => {
      if (host.settings.attach === 'off') return [];
      const isElsewhere = process.platform !== 'linux';
      if (!isElsewhere && mainLoopFd(process.pid) !== null && !isLimited()) return [];
      const why = isElsewhere
        ? `a live attach needs Linux (this is ${process.platform})`
        : isLimited()
          ? `the kernel lets this user read no other process's memory (ptrace_scope ${scope()})`
          : 'this Node is stripped of its symbols';
      // pm2-ops leaves other programs alone on every kernel.
      const left = host.members.filter(
        ({ process: listed, attachment }) =>
          listed.status === 'online' &&
          !loadsAgent(listed) &&
          (attachment.is === 'attached' || attachment.code !== 'not-node'),
      );
      return left.map(
        (member): Found => ({
          severity: isElsewhere ? 'warning' : 'info',
          about: about(member),
          what: isElsewhere
            ? why
            : `${why}: pm2-ops cannot see whether an app has its own SIGUSR1 handler, so it signals each process only once`,
          ...loadAgent(host, member),
        }),
      );
    },
  },
];

/** Is this version of Node older than pm2-ops supports? */
export function isOld(nodeVersion: string | undefined): boolean {
  return nodeVersion !== undefined && major(nodeVersion) < OLDEST_NODE;
}

/** The lines that unset a setting. Unlike `pm2 set`, `pm2 unset` does not restart the module (lib/API/Configuration.js). */
export function unset(key: string): string[] {
  return [`pm2 unset ${key}`, `pm2 restart ${NAME}`];
}

/** The size of all files in a folder, in bytes. */
function sizeOf(folder: string): number {
  if (!existsSync(folder)) return 0;
  const sizes = readdirSync(folder).map((name) => lstatSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

function inRange(what: string, version: string, oldest: number, newest: number, type: string[]): Found[] {
  const found = major(version);
  if (found < oldest)
    return [{ severity: 'error', what: `${what} is ${version}; the oldest supported is ${oldest}`, type }];
  if (found > newest) {
    return [
      {
        severity: 'warning',
        what: `${what} is ${version}; the newest that was tested is ${newest}`,
        type: [`pm2 install ${NAME}`],
        say: 'a newer pm2-ops may know it',
      },
    ];
  }
  return [];
}

function major(version: string): number {
  return Number.parseInt(version.replace(/^v/, ''), 10);
}

/** Finds files and folders that other users can read or enter: dumps contain secrets. */
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
      what: `other users can read or enter ${which}${open.length > 3 ? ` and ${open.length - 3} more` : ''}; dumps contain secrets`,
      type: [`chmod -R go-rwx ${shellWord(folder)}`],
    },
  ];
}

/** Yama's limit: above 0, a user may not read the memory of processes that are not its children. */
function scope(): number {
  return Number(readText('/proc/sys/kernel/yama/ptrace_scope') ?? 0);
}

function isLimited(): boolean {
  return process.getuid?.() !== 0 && scope() > 0;
}

function mb(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MB`;
}
