// Finds child processes that work for their app. PM2 ends them together with the app, whose last requests may still need them.
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { ageMs, readLink, readStat, read as readText } from '../../../shared/linux/proc.ts';
import { byApp, type Check, type Found } from './finding.ts';
import { moduleAction, reloadWith } from './lines.ts';

/** A younger child may be a command that ends in a moment. */
const AT_WORK_MS = 2_000;

export const CHILDREN_CHECK: Check = {
  name: 'children',
  look: (host) => {
    const served = host.members.filter(
      ({ process: listed }) => listed.treekill && host.statuses.get(listed.pid)?.serves,
    );
    if (served.length === 0) return [];
    const children = childrenAtWork();
    return byApp(served).flatMap((app): Found[] => {
      const found = app.instances.flatMap(({ process: listed }) => children.get(listed.pid) ?? []);
      if (found.length === 0) return [];
      return [
        {
          severity: 'warning',
          about: app.title,
          what: `has ${found.length === 1 ? 'a child process' : `${found.length} child processes`} (${named(found)}): PM2 ends them at the same moment as the app (treekill), so requests that need them fail when PM2 reloads, restarts or stops the app`,
          each: reloadWith(host, app, '--no-treekill'),
          ecosystem: { treekill: false },
          say: `then the app has to end them itself: what it has forked exits with it, other programs do not. Without that change, this reload loses nothing: ${moduleAction('reload', app)}`,
        },
      ];
    });
  },
};

interface Child {
  pid: number;
  name: string;
}

/** By the parent's pid: the children that it talks to, over Node's IPC channel or over pipes. */
function childrenAtWork(): Map<number, Child[]> {
  const children = new Map<number, Child[]>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    const stat = pid > 0 ? readStat(pid) : null;
    if (!stat || ageMs(stat.startTime) < AT_WORK_MS || !isTalkedTo(pid)) continue;
    const known = children.get(stat.parent) ?? [];
    known.push({ pid, name: nameOf(pid) });
    children.set(stat.parent, known);
  }
  return children;
}

function isTalkedTo(pid: number): boolean {
  const hasChannel = readText(`/proc/${pid}/environ`)
    ?.split('\0')
    .some((each) => each.startsWith('NODE_CHANNEL_FD='));
  return hasChannel === true || /^(socket|pipe):/.test(readLink(`/proc/${pid}/fd/0`) ?? '');
}

/** The script if the program is an interpreter, else the program. */
function nameOf(pid: number): string {
  const line = Buffer.from(readText(`/proc/${pid}/cmdline`) ?? '', 'latin1').toString();
  const [program = '', ...words] = line.split('\0').filter(Boolean);
  const script = words.find((word) => !word.startsWith('-'));
  return basename(/(^|\/)(node|python[\d.]*|bun|deno|ruby|perl)$/.test(program) && script ? script : program);
}

function named(children: readonly Child[]): string {
  const shown = children.slice(0, 3).map(({ pid, name }) => `${name}, pid ${pid}`);
  return [...shown, ...(children.length > 3 ? [`${children.length - 3} more`] : [])].join('; ');
}
