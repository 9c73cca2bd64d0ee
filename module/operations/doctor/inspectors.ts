// Finds open inspectors in managed processes and their children, and other programs on the port that a live attach needs.
import { setTimeout as sleep } from 'node:timers/promises';
import { wasToldToInspect } from '../../../shared/linux/nodeOptions.ts';
import { childrenOf, read as readText } from '../../../shared/linux/proc.ts';
import { listeners, ownerOf } from '../../../shared/linux/sockets.ts';
import { openInspectorOf } from '../../attach/index.ts';
import { about, type Found, type Host } from './finding.ts';
import { forProcess } from './lines.ts';

const INSPECTOR_PORT = 9229;
/** An attach that is under way closes its inspector within this time. */
const UNDER_WAY_MS = 1_500;
const LOOK_AGAIN_MS = 100;

export async function lookForInspectors({ settings, members }: Host): Promise<Found[]> {
  const found: Found[] = [];
  const inodes = new Set<string>();
  for (const member of members.filter(({ process: listed }) => listed.pid > 0)) {
    for (const pid of familyOf(member.process.pid)) {
      const told = wasToldToInspect(pid) || (pid === member.process.pid && member.process.inspected === true);
      const open = told ? await openInspectorOf(pid) : await staysOpen(pid);
      if (!open || inodes.has(open.inode)) continue;
      inodes.add(open.inode);
      const who =
        pid === member.process.pid ? 'its inspector' : `the inspector of its child, process ${pid} (${lineOf(pid)}),`;
      const meanwhile = open.port === INSPECTOR_PORT ? ', and no other process can be attached meanwhile' : '';
      found.push({
        severity: told ? 'warning' : 'error',
        about: about(member),
        what: `${who} is open on port ${open.port}${told ? ' (--inspect)' : ''}: every user of this host can run code as that process${meanwhile}`,
        ...(told
          ? {
              say: 'end the debugging session, or start the app without --inspect: PM2 keeps options of Node until the app is deleted (pm2 delete it, then pm2 start ecosystem.config.js)',
            }
          : {
              each: forProcess(member, (word) => `pm2 restart ${word}`),
              say: 'if it is a debugging session, end that instead',
            }),
      });
    }
  }
  const taken = listeners(process.pid).find(({ port }) => port === INSPECTOR_PORT);
  if (!taken || settings.attach === 'off' || inodes.has(taken.inode)) return found;
  await sleep(LOOK_AGAIN_MS);
  if (!listeners(process.pid).some(({ inode }) => inode === taken.inode)) return found;
  const owner = ownerOf(taken.inode) ?? 'a program of another user';
  found.push({
    severity: 'warning',
    what: `${owner} listens on port ${INSPECTOR_PORT}, which a live attach needs`,
    type: [`ps -o pid,user,args -p ${/\(pid (\d+)\)$/.exec(owner)?.[1] ?? 'PID'}`],
    say: 'end it, or have it use another port (node --inspect=0 takes a free one)',
  });
  return found;
}

/** The open inspector of a process; null if there is none, or if an attach of ours has opened it and closes it again. */
async function staysOpen(pid: number) {
  const open = await openInspectorOf(pid);
  if (!open) return null;
  for (const deadline = performance.now() + UNDER_WAY_MS; performance.now() < deadline; ) {
    await sleep(LOOK_AGAIN_MS);
    if (!listeners(pid).some(({ inode }) => inode === open.inode)) return null;
  }
  return open;
}

/** A process and all its descendants. */
function familyOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(familyOf)];
}

function lineOf(pid: number): string {
  return (readText(`/proc/${pid}/cmdline`) ?? '').split('\0').join(' ').trim();
}
