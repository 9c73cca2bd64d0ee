// Which process does the work of one that PM2 manages: told by what they do, from /proc, and not by names. A process that has
// never listened while a Node process below it serves is a wrapper (npm, tsx, cross-env, nodemon, a shell, …); one with workers of
// Node's cluster is their primary, and they serve. For the agent, which looks at itself, and for the module, which looks at what
// has no agent.

import { basename, resolve } from 'node:path';
import { clusterWorkersOf } from './linux/clusterWorkers.ts';
import { expectedPort, wasToldToInspect } from './linux/nodeOptions.ts';
import { childrenOf, read, readLink } from './linux/proc.ts';
import { holdsConnections, listeners, listensOnSocketFile, ownSockets } from './linux/sockets.ts';

/** Somebody else does the work. */
export interface RealProcess {
  /** A wrapper starts the app as a child; a primary has its clients served by workers of its own. */
  is: 'wrapper' | 'primary';
  /** Of the process that does the work, or the first of them, and of all. */
  pid: number;
  pids: number[];
  /** Its command line. */
  command: string[];
  /** Where it listens, or its primary for it, `127.0.0.1:3000`; empty when nobody does. */
  addresses: string[];
  /** Folder that it runs in. */
  cwd: string;
  /** Variables that it has and its wrapper has not. Their values may be secrets. */
  variables: string[];
  /** What a person calls the one that PM2 manages: `npm`, `tsx`, `dash`. */
  tool: string;
  /** It starts the other one again when files change. */
  watches: boolean;
}

/**
 * @param listens it serves, as far as its agent knows: a worker of PM2's cluster mode listens on nothing itself
 * @returns null when it does its work itself, as far as can be told
 */
export function realProcessOf(pid: number, listens = false): RealProcess | null {
  const children = childrenOf(pid);
  if (children.length === 0) return null;
  const workers = clusterWorkersOf(pid, children).map((worker) => worker.pid);
  const [first] = workers;
  if (first !== undefined) return describe('primary', pid, first, workers);
  const family = descendantsOf(children).filter((each) => isNode(each));
  if (family.length === 0 || listens || serves(pid)) return null;
  // The deepest is who is waited for by all between.
  const serving = family.filter((each) => addressesOf(each).length > 0).reverse();
  const [server] = serving;
  if (server !== undefined) return describe('wrapper', pid, server, serving);
  if (holdsConnections(pid)) return null;
  const working = family.findLast((each) => holdsConnections(each) || wasStartedFor(pid, each));
  return working === undefined ? null : describe('wrapper', pid, working, [working]);
}

function describe(is: RealProcess['is'], wrapper: number, pid: number, pids: number[]): RealProcess {
  const before = environmentOf(wrapper);
  const variables = [...environmentOf(pid).keys()].filter((name) => !before.has(name) && !INCIDENTAL.test(name));
  const addresses = addressesOf(is === 'primary' ? wrapper : pid);
  const cwd = readLink(`/proc/${pid}/cwd`) ?? '/';
  return { is, pid, pids, command: commandOf(pid), addresses, cwd, variables, ...toolOf(wrapper) };
}

/** The command line; where a process has a title in its place, as PM2 gives to what it starts, the script from its environment. */
function commandOf(pid: number): string[] {
  const words = wordsOf(pid);
  const isTitle = words.length === 1 || words.some((word) => PM2S_OWN.test(word));
  const script = isTitle ? environmentOf(pid).get('pm_exec_path') : undefined;
  return script === undefined ? words : ['node', script];
}

/** PM2 starts scripts by one of its own, which becomes them. */
const PM2S_OWN = /\/ProcessContainer\w*\.js$/;

function toolOf(pid: number): Pick<RealProcess, 'tool' | 'watches'> {
  const [program = '', ...words] = wordsOf(pid);
  const script = words.find((word) => !word.startsWith('-') && !PM2S_OWN.test(word));
  const path = isNode(pid) ? (script ?? environmentOf(pid).get('pm_exec_path') ?? program) : program;
  const option = words.find((word) => /^--(watch(-path)?|run)(=|$)/.test(word))?.split('=')[0];
  const tool = option
    ? `node ${option}`
    : (/\/node_modules\/(?!\.)([^/]+)\//.exec(path)?.[1] ?? dropSuffix(basename(path)));
  const watches = option?.startsWith('--watch') || tool === 'nodemon' || (tool === 'tsx' && words.includes('watch'));
  return { tool, watches };
}

/** What shells, package managers, loaders and Node itself put into the environment of whatever they start. */
const INCIDENTAL =
  /^(_|_VOLTA.*|SHLVL|PWD|OLDPWD|INIT_CWD|NODE|COLOR|EDITOR|HOME|PATH|NODE_CHANNEL_.*|NODE_UNIQUE_ID|npm_.*|PNPM_.*|YARN_.*|BERRY_.*|TSX_.*|ESBUILD_.*|WATCH_REPORT_.*|NODE_RUN_.*|FORCE_COLOR|DOTENV_.*)$/;

/** Children, grandchildren and so on, the deepest last. */
function descendantsOf(children: number[]): number[] {
  const found: number[] = [];
  for (let level = children; level.length > 0; level = level.flatMap((each) => childrenOf(each))) {
    found.push(...level);
  }
  return found;
}

/** Programs that run JavaScript. A browser or a database that an app starts for itself listens, too. */
function isNode(pid: number): boolean {
  const path = (readLink(`/proc/${pid}/exe`) ?? '').replace(/ \(deleted\)$/, '');
  return /^(node|nodejs|bun|deno)$/.test(basename(path)) || path === readLink('/proc/self/exe');
}

/** Does it listen for others than its own children? Those find a socket that has its pid in its name. */
function serves(pid: number): boolean {
  return addressesOf(pid).length > 0 || listensOnSocketFile(pid, (path) => !path.includes(String(pid)));
}

/** Where a process listens, but for its inspector. */
function addressesOf(pid: number): string[] {
  const all = listeners(pid);
  const own = ownSockets(pid, new Set(all.map(({ inode }) => inode)));
  const mine = all.filter(({ inode }) => own?.has(inode));
  // With `--inspect=0` its port cannot be told from others: it is one of them.
  if (wasToldToInspect(pid) && mine.length === 1) return [];
  const inspectorPort = expectedPort(pid);
  return mine
    .filter(({ port }) => port !== inspectorPort)
    .map(({ host, port }) => `${host.includes(':') ? `[${host.replace(/^[0:]+$/, '::')}]` : host}:${port}`);
}

/** Was the wrapper told to run this? Its own arguments name the script, or the other one says which package manager runs it. */
function wasStartedFor(wrapper: number, pid: number): boolean {
  const [program = '', own = '', ...told] = wordsOf(wrapper);
  const folder = readLink(`/proc/${wrapper}/cwd`) ?? '/';
  const manager = environmentOf(pid).get('npm_execpath');
  if (
    manager !== undefined &&
    [own, program.split(' ')[0], environmentOf(wrapper).get('pm_exec_path')].some((path) => isSame(path, manager))
  )
    return true;
  const script = scriptOf(wordsOf(pid));
  return (
    script !== undefined &&
    told.flatMap((word) => word.split(/\s+/)).some((word) => resolve(folder, word) === resolve(folder, script))
  );
}

function isSame(path: string | undefined, other: string): boolean {
  return path !== undefined && basename(dropSuffix(path)) === basename(dropSuffix(other));
}

/** `npm` is a link to `npm-cli.js`. */
function dropSuffix(path: string): string {
  return path.replace(/(-cli)?(\.[cm]?js)?$/, '');
}

/** The script among the words of a Node process; undefined if there is none. */
export function scriptOf(command: readonly string[]): string | undefined {
  const at = scriptAt(command);
  return at < 0 ? undefined : command[at];
}

/** Where the script is among the words: the first that is neither an option nor an option's value. */
export function scriptAt(command: readonly string[]): number {
  for (let at = 1; at < command.length; at++) {
    const word = command[at] ?? '';
    if (!word.startsWith('-')) return at;
    if (TAKES_A_VALUE.test(word)) at++;
  }
  return -1;
}

/** Options of Node whose value is a word of its own. */
const TAKES_A_VALUE = /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file)$/;

function wordsOf(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter(Boolean);
}

function environmentOf(pid: number): Map<string, string> {
  return new Map(
    (read(`/proc/${pid}/environ`) ?? '')
      .split('\0')
      .filter((entry) => entry.includes('='))
      .map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  );
}
