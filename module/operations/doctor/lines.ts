// The lines that doctor tells a person to type. Each takes effect in running processes. A changed ecosystem file alone does not:
// `pm2 reload NAME` does not read the file again (PM2's lib/API.js, `_operate`), but it takes options.
import { appOf, titleOf } from '../../../contract/app.ts';
import { NAME } from '../../../contract/names.ts';
import { isNameForPm2, shellLine, shellWord } from '../../../shared/text/shell.ts';
import type { Member } from '../../fleet/fleet.ts';
import type { ManagedProcess } from '../../pm2/managedProcess.ts';
import { uidOf } from '../../state/state.ts';
import type { AppInstances, Each, Host, Remedy } from './finding.ts';

/** An app as PM2's commands take it: its name, or its ids if apps share the name or PM2 cannot take it. */
export function wordsOf({ members }: Host, { app, name, instances }: AppInstances): string[] {
  const isShared = members.some(({ process: listed }) => listed.name === name && appOf(listed) !== app);
  if (isNameForPm2(name) && !isShared) return [name];
  return instances.flatMap(({ process: listed }) => (typeof listed.pmId === 'number' ? String(listed.pmId) : []));
}

/** `pm2 reload web --kill-timeout 6000`, for all instances of an app. */
export function reloadWith(host: Host, app: AppInstances, ...options: string[]): Each {
  return {
    words: wordsOf(host, app),
    line: (word) => `pm2 reload ${word}${options.map((each) => ` ${each}`).join('')}`,
  };
}

/** A line for one process. */
export function forProcess({ process: listed }: Member, line: (word: string) => string): Each {
  return { words: [String(listed.pmId)], line };
}

/** `pm2 trigger pm2-ops reload app=web`: an action of the module for an app. */
export function moduleAction(action: string, { instances }: AppInstances): string {
  return shellLine('pm2', 'trigger', NAME, action, `app=${titleOf(instances[0].process)}`);
}

/** Has a process run on the Node that runs this module. */
export function newerNode(member: Member): Remedy {
  const { execPath } = process;
  // In cluster mode, the daemon's own Node runs it.
  if (member.process.mode === 'cluster') return { type: ['pm2 update'], say: 'with a newer Node as `node`' };
  return {
    each: forProcess(member, (word) => `pm2 restart ${word} --interpreter ${shellWord(execPath)}`),
    ecosystem: { interpreter: execPath },
  };
}

/** Has the app load the agent itself, by an option of Node, so that pm2-ops needs no inspector. Keeps the app's other options. */
export function loadAgent({ agentFile }: Host, member: Member): Remedy {
  // Another user's process cannot read a file in this user's PM2_HOME, and would not start.
  if (uidOf(member.process.pid) !== process.geteuid?.()) {
    const node_args = ['--import', 'pm2-ops/agent'];
    return {
      ecosystem: { node_args },
      say: 'in its folder, as its user: npm install pm2-ops; then: pm2 reload ecosystem.config.js',
    };
  }
  const node_args = [...withoutAgent(member.process.nodeArgs ?? []), '--import', agentFile];
  // PM2 splits --node-args at spaces, so a path with spaces works only in a file.
  if (node_args.some((option) => /\s/.test(option)))
    return { ecosystem: { node_args }, say: 'then: pm2 reload ecosystem.config.js' };
  const value = shellWord(node_args.join(' '));
  return {
    each: forProcess(member, (word) => `pm2 reload ${word} --node-args ${value}`),
    ecosystem: { node_args },
  };
}

/** Do its options of Node load the agent? */
export function loadsAgent({ nodeArgs = [] }: ManagedProcess): boolean {
  return nodeArgs.some(isAgent);
}

function withoutAgent(options: readonly string[]): string[] {
  return options.filter((option, index) => !isAgent(option) && !(option === '--import' && isAgent(options[index + 1])));
}

function isAgent(option = ''): boolean {
  return /(^|\/|=)pm2-ops\/(agent|agent-preload\.cjs|.*\/agent-preload\.cjs)$/.test(option);
}
