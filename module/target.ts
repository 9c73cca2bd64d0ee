// Which process does somebody mean?
import type { Fleet, Member } from './fleet.ts';
import { type Failure, NAME } from './protocol.ts';

/**
 * The one process meant by a pm_id, `name:id`, or the name of an app that has a single instance.
 * @param action for which it is asked
 * @returns what to type instead when it is none or several
 */
export function oneProcess(fleet: Fleet, target: string, action: string): Member | Failure {
  const members = fleet.members();
  const exact = members.find(({ process: { name, pmId } }) => [String(pmId), `${name}:${pmId}`].includes(target));
  if (exact) return exact;
  const [, name = target] = /^(.+):\w+$/.exec(target) ?? [];
  const named = members.filter(({ process }) => process.name === name);
  const [only] = named;
  if (only && named.length === 1 && name === target) return only;
  const fail = (message: string, hint: string): Failure => ({ ok: false, action, code: 'E_PARAMS', message, hint });
  if (!only) {
    if (target === 'all') return fail(`${action} is about one process: which?`, `for example: ${NAME} ${action} 3`);
    return fail(`PM2 manages no process "${target}"`, 'look with: pm2 ls');
  }
  const ids = named.map(({ process }) => process.pmId).join(', ');
  return fail(
    `${name} has the id${named.length > 1 ? 's' : ''} ${ids}: name one of them`,
    `for example: ${NAME} ${action} ${only.process.pmId}`,
  );
}
