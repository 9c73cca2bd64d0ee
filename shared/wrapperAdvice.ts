// Tells a person on call which process does the work of one that PM2 manages, and the line to write instead.
import { basename } from 'node:path';
import { type RealProcess, scriptAt } from './realProcess.ts';
import { shellLine, shellWord } from './text/shell.ts';

/** `process 812 (node server.ts)`, or `processes 812, 813 (…)`. */
function who({ pid, pids, command }: RealProcess): string {
  const [program = '', ...words] = command;
  const line = [basename(program), ...words].join(' ');
  return pids.length > 1 ? `processes ${pids.join(', ')} (${line})` : `process ${pid} (${line})`;
}

/** For `status`: why the managed process does not count as serving. */
export function noteOn(real: RealProcess): string {
  const where = real.addresses.join(', ');
  if (real.is === 'primary') return `its clients are served by workers of its own: ${who(real)}`;
  if (where === '') return `${real.tool} runs the app as a child: ${who(real)}`;
  return `a child of it listens on ${where}, it does not: ${who(real)}`;
}

/** Why the managed process does not perform an action. */
export function whyNot(action: string, real: RealProcess): string {
  if (real.is === 'primary') {
    return `this process forks workers of its own, which serve its clients and which pm2-ops does not reach; ${action} belongs to them: ${who(real)}`;
  }
  const where = real.addresses.length > 0 ? `, which listens on ${real.addresses.join(', ')}` : '';
  return `PM2 manages ${real.tool} here, not the app; ${action} belongs to its child, ${who(real)}${where}`;
}

/** The line with which PM2 starts the app itself. `name` is the app's name. */
export function insteadOf(real: RealProcess, name: string): string {
  if (real.is === 'primary') {
    return `let PM2 fork the workers: take cluster.fork() out of the code; in its ecosystem file: exec_mode: 'cluster', instances: ${real.pids.length}`;
  }
  const line = `cd ${shellWord(real.cwd)} && ${shellLine('pm2', 'delete', name)} && ${startLine(real, name)}`;
  const env = real.variables.length > 0 ? `; it also sets ${real.variables.join(', ')}: env in the ecosystem file` : '';
  const others = real.pids.length > 1 ? '; start the other processes in the same way, each under its own name' : '';
  return `let PM2 start the app itself: ${line}${env}${others}`;
}

function startLine({ command, watches }: RealProcess, name: string): string {
  const at = scriptAt(command);
  const script = command[at];
  const words = ['pm2', 'start', script ?? 'server.js', '--name', name];
  const program = basename(command[0] ?? 'node');
  // For a TypeScript file, PM2 would choose another program than Node.
  if (!/^node(js)?$/.test(program)) words.push('--interpreter', program);
  else if (script !== undefined && !/\.[cm]?js$/.test(script)) words.push('--interpreter', 'node');
  const options = nodeOptionsOf(at < 0 ? [] : command.slice(1, at));
  if (options.length > 0) words.push('--node-args', options.join(' '));
  if (watches) words.push('--watch');
  const rest = at < 0 ? [] : command.slice(at + 1);
  return shellLine(...words, ...(rest.length > 0 ? ['--', ...rest] : []));
}

/** Node's options as a person writes them: tsx passes paths of its own on, which stand for `--import tsx`. */
function nodeOptionsOf(words: readonly string[]): string[] {
  if (words.some((word) => /\/node_modules\/tsx\//.test(word))) {
    const others = words.filter((word, at) => !isOfTsx(word) && !isOfTsx(words[at + 1] ?? ''));
    return ['--import', 'tsx', ...others];
  }
  return [...words];
}

function isOfTsx(word: string): boolean {
  return /\/node_modules\/tsx\//.test(word);
}
