// Finds the processes that a person means. Every command and every action reads a target in the same way.
import { type App, appOf, titleOf } from '../../contract/app.ts';
import type { Failure } from '../../contract/errors.ts';
import { NAME } from '../../contract/names.ts';
import { ALL, nameBeforeId } from '../../contract/target.ts';
import { shellLine } from '../../shared/text/shell.ts';
import type { ManagedProcess } from '../pm2/managedProcess.ts';
import type { Fleet, Member } from './fleet.ts';

/**
 * The readings of a target; the first that fits counts, so digits are a pm_id first. The target is compared as a whole, because a
 * name may contain any character. An app outside PM2's default namespace is also called `namespace:name`.
 */
const READINGS: ((listed: ManagedProcess) => string)[] = [
  ({ pmId }) => String(pmId),
  ({ name }) => name,
  ({ name, pmId }) => `${name}:${pmId}`,
  ({ namespace, name }) => `${namespace}:${name}`,
  ({ namespace, name, pmId }) => `${namespace}:${name}:${pmId}`,
];

/**
 * The processes that a pm_id, an app's name (in any namespace), `name:pm_id`, `namespace:name` or `all` means, by rising id.
 * Leaves out those that a reload of PM2 is about to end.
 */
export function processesOf(fleet: Fleet, target: string): Member[] {
  const members = fleet.members().filter(({ process: listed }) => typeof listed.pmId === 'number');
  if (target === ALL) return members;
  for (const reading of READINGS) {
    const meant = members.filter(({ process: listed }) => reading(listed) === target);
    if (meant.length > 0) return meant;
  }
  return [];
}

/**
 * The processes that a target means, at least one.
 * @param action the action to perform, for the message
 * @returns a failure with what to type instead if there is none
 */
export function membersOf(fleet: Fleet, target: string, action: string): Member[] | Failure {
  const members = processesOf(fleet, target);
  return members.length > 0 ? members : wrong(action, ...nobody(fleet, target));
}

/**
 * The one process that a pm_id, `name:pm_id`, or the name of an app with a single instance means.
 * @param action the action to perform, for the message
 * @returns a failure with what to type instead if there is none, or several
 */
export function oneProcess(fleet: Fleet, target: string, action: string): Member | Failure {
  if (target === ALL)
    return wrong(action, `${action} is about one process: which?`, `for example: ${lineOf(action, 'id=3')}`);
  const meant = processesOf(fleet, target);
  const [first] = meant;
  if (!first) return wrong(action, ...nobody(fleet, target));
  if (meant.length === 1) return first;
  const each = appsOf(meant).map((app) => `${titleOf(app[0].process)} has the ids ${idsOf(app)}`);
  return wrong(
    action,
    `${each.length === 1 && each[0] ? each[0] : `"${target}" is the name of several apps: ${each.join('; ')}`}: name one of them`,
    `for example: ${lineOf(action, `id=${first.process.pmId}`)}`,
  );
}

/** The app that a target means. */
export interface MeantApp {
  app: App;
  title: string;
  /** Was the target the id of one of its instances? */
  byId: boolean;
}

/**
 * The one app that a name, `namespace:name`, or the id of one of its instances means.
 * @param action the action to perform, for the message
 * @returns a failure with what to type instead if there is none, or several
 */
export function oneApp(fleet: Fleet, target: string, action: string): MeantApp | Failure {
  const example = fleet.members()[0];
  if (target === ALL) {
    const hint = `for example: ${lineOf(action, `app=${example ? titleOf(example.process) : 'web'}`)}`;
    return wrong(action, `${action} is about one app: which?`, hint);
  }
  const meant = processesOf(fleet, target);
  const apps = appsOf(meant);
  const [only] = apps;
  if (!only) return wrong(action, ...nobody(fleet, target));
  const { process: listed } = only[0];
  if (apps.length === 1) {
    const byName = [listed.name, `${listed.namespace}:${listed.name}`].includes(target);
    return { app: appOf(listed), title: titleOf(listed), byId: !byName };
  }
  const each = apps.map((app) => {
    const { namespace, name } = app[0].process;
    return { is: `${namespace}:${name}`, ids: idsOf(app) };
  });
  return wrong(
    action,
    `"${target}" is the name of ${apps.length} apps, in different namespaces: ${each.map(({ is, ids }) => `${is} (id ${ids})`).join(', ')}`,
    `name one of them: ${each.map(({ is }) => lineOf(action, `app=${is}`)).join(', or ')}`,
  );
}

/** Groups processes by their app; no group is empty. */
function appsOf(members: readonly Member[]): [Member, ...Member[]][] {
  const apps = new Map<App, [Member, ...Member[]]>();
  for (const member of members) {
    const known = apps.get(appOf(member.process));
    if (known) known.push(member);
    else apps.set(appOf(member.process), [member]);
  }
  return [...apps.values()];
}

function idsOf(members: readonly Member[]): string {
  return members.map(({ process: listed }) => listed.pmId).join(', ');
}

/** The message if no process fits, and what to do. */
function nobody(fleet: Fleet, target: string): [message: string, hint: string] {
  // `web:7` of an app that has no instance 7.
  const name = nameBeforeId(target);
  const named = name === undefined ? [] : processesOf(fleet, name);
  if (named.length > 0) return [`${name} has no instance with that id`, `it has ${idsOf(named)}`];
  return [`PM2 manages no process "${target}"`, 'look with: pm2 ls'];
}

/** The line to type. `pm2-ops` translates it for a person who uses the command. */
function lineOf(action: string, target: string): string {
  return shellLine('pm2', 'trigger', NAME, action, target);
}

function wrong(action: string, message: string, hint: string): Failure {
  return { ok: false, action, code: 'E_PARAMS', message, hint };
}
