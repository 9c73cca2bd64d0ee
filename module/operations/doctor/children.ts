// Children that work for their app: PM2 ends them together with it, before it has finished what it needs them for.
import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { ageMs, readLink, readStat, read as readText } from '../../../shared/linux/proc.ts';
import { byApp, type Check, type Found } from './finding.ts';
import { moduleAction, reloadWith } from './lines.ts';

/** A child that is younger may be a command that is over in a moment. */
const AT_WORK_MS = 2_000;

export const CHILDREN_CHECK: Check = {
  name: 'children',
  look: (host) => {
    const served = host.members.filter(({ process }) => process.treekill && host.statuses.get(process.pid)?.serves);
    if (served.length === 0) return [];
    const children = childrenAtWork();
    return byApp(served).flatMap((app): Found[] => {
      const found = app.instances.flatMap(({ process }) => children.get(process.pid) ?? []);
      if (found.length === 0) return [];
      return [
        {
          severity: 'warning',
          about: app.title,
          what: `has ${found.length === 1 ? 'a child process' : `${found.length} child processes`} (${named(found)}): PM2 ends them at the same moment as the app (treekill), so what it cannot answer without them fails when PM2 reloads, restarts or stops it`,
          each: reloadWith(host, app, '--no-treekill'),
          ecosystem: { treekill: false },
          say: `then the app ends them: what it has forked ends when it exits, other programs need to be told. Nothing is lost as it is, either, by: ${moduleAction('reload', app)}`,
        },
      ];
    });
  },
};

interface Child {
  pid: number;
  name: string;
}

/** By the parent's pid: those that it talks to, by a channel of Node's or by pipes. */
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

/** The script of an interpreter, else the program. */
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
