// Finds the process that does the work of one that PM2 manages. It reads /proc and judges by what processes do, not by their
// names. A process that does not listen while a Node process below it serves is a wrapper (npm, tsx, cross-env, nodemon, a
// shell, …). A process with workers of Node's cluster is their primary, and the workers serve. The agent looks at its own process
// with this, the module at processes without an agent.

import { basename, resolve } from 'node:path';
import { clusterWorkersOf } from './linux/clusterWorkers.ts';
import { environmentOf } from './linux/environment.ts';
import { expectedPort, wasToldToInspect } from './linux/nodeOptions.ts';
import { childrenOf, read, readLink } from './linux/proc.ts';
import { holdsConnections, listeners, listensOnSocketFile, ownSockets } from './linux/sockets.ts';

/** The process that does the work of another one. */
export interface RealProcess {
  /** What the managed process is: a wrapper starts the app as a child; a primary has workers of its own serve its clients. */
  is: 'wrapper' | 'primary';
  /** The process that does the work, or the first of several; `pids` has all. */
  pid: number;
  pids: number[];
  /** Its command line. */
  command: string[];
  /** Where it listens, or its primary listens for it, such as `127.0.0.1:3000`; empty if neither does. */
  addresses: string[];
  /** Its working directory. */
  cwd: string;
  /** Names of the environment variables that the managed process lacks. No values: they may be secrets. */
  variables: string[];
  /** What a person calls the managed process: `npm`, `tsx`, `dash`. */
  tool: string;
  /** Does the managed process restart the app when files change? */
  watches: boolean;
}

/**
 * @param listens does the agent say that this process serves? /proc shows no socket of a worker in PM2's cluster mode
 * @returns null if the process does its work itself, as far as /proc tells
 */
export function realProcessOf(pid: number, listens = false): RealProcess | null {
  const children = childrenOf(pid);
  if (children.length === 0) return null;
  const workers = clusterWorkersOf(pid, children).map((worker) => worker.pid);
  const [first] = workers;
  if (first !== undefined) return describe('primary', pid, first, workers);
  const family = descendantsOf(children).filter((each) => isNode(each));
  if (family.length === 0 || listens || serves(pid)) return null;
  // Wrappers may be nested; the deepest process that listens is the app.
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

/** The command line. PM2 replaces that of a process it starts with a title; then the script comes from the environment. */
function commandOf(pid: number): string[] {
  const words = wordsOf(pid);
  const isTitle = words.length === 1 || words.some((word) => PM2S_OWN.test(word));
  const script = isTitle ? environmentOf(pid).get('pm_exec_path') : undefined;
  return script === undefined ? words : ['node', script];
}

/** PM2 starts every script through one of its own files. */
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

/** Variables that shells, package managers, loaders and Node itself set for what they start. */
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

/** Only a JavaScript program can be the app: a browser or a database that an app starts listens, too. */
function isNode(pid: number): boolean {
  const path = (readLink(`/proc/${pid}/exe`) ?? '').replace(/ \(deleted\)$/, '');
  return /^(node|nodejs|bun|deno)$/.test(basename(path)) || path === readLink('/proc/self/exe');
}

/** Does it listen for clients? A socket file with the pid in its name is for its own children. */
function serves(pid: number): boolean {
  return addressesOf(pid).length > 0 || listensOnSocketFile(pid, (path) => !path.includes(String(pid)));
}

/** Where a process listens, apart from its inspector. */
function addressesOf(pid: number): string[] {
  const all = listeners(pid);
  const own = ownSockets(pid, new Set(all.map(({ inode }) => inode)));
  const mine = all.filter(({ inode }) => own?.has(inode));
  // With `--inspect=0` the inspector takes any port: a process with one socket has no server.
  if (wasToldToInspect(pid) && mine.length === 1) return [];
  const inspectorPort = expectedPort(pid);
  return mine
    .filter(({ port }) => port !== inspectorPort)
    .map(({ host, port }) => `${host.includes(':') ? `[${host.replace(/^[0:]+$/, '::')}]` : host}:${port}`);
}

/** Does the wrapper run this process? Its arguments name the script, or the environment of the process names the wrapper. */
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

/** Makes `npm` and `npm-cli.js` equal: one is a link to the other. */
function dropSuffix(path: string): string {
  return path.replace(/(-cli)?(\.[cm]?js)?$/, '');
}

/** The script in the command line of a Node process; undefined if there is none. */
export function scriptOf(command: readonly string[]): string | undefined {
  const at = scriptAt(command);
  return at < 0 ? undefined : command[at];
}

/** The index of the script in a command line: the first word that is neither an option nor its value. -1 if there is none. */
export function scriptAt(command: readonly string[]): number {
  for (let at = 1; at < command.length; at++) {
    const word = command[at] ?? '';
    if (!word.startsWith('-')) return at;
    if (TAKES_A_VALUE.test(word)) at++;
  }
  return -1;
}

/** Options of Node whose value is the next word. */
const TAKES_A_VALUE = /^(-r|--require|--import|--loader|--experimental-loader|-C|--conditions|--env-file)$/;

function wordsOf(pid: number): string[] {
  return (read(`/proc/${pid}/cmdline`) ?? '').split('\0').filter(Boolean);
}
