// `pm2 start npm -- start` makes PM2 manage npm; the server is its grandchild. Signals, dumps and drains of npm would all
// miss it, so every action says who the real process is instead.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Refusal } from './refusal.ts';

const WRAPPERS = /^(npm|npx|yarn|yarnpkg|pnpm|pnpx|corepack)(-cli)?(\.[cm]?js)?$/;

/** Is this process a package manager that runs the app as a child? */
export function isWrapper(): boolean {
  return [process.env.pm_exec_path, process.argv[1]].some(
    (path) => path !== undefined && WRAPPERS.test(basename(path)),
  );
}

/** The answer of every action in a wrapper, naming the real process and the line to write instead. */
export function wrapperRefusal(action: string): Refusal {
  const tool = basename(process.env.pm_exec_path ?? process.argv[1] ?? 'npm');
  const real = descendants(process.pid).filter(({ command }) => /(^|\/)node(js)?$/.test(command[0] ?? ''));
  const server = real.at(-1);
  const name = process.env.name ?? 'web';
  if (!server) {
    return new Refusal(
      'E_WRAPPER',
      `PM2 manages ${tool} here, not the app, and no Node process below it was found`,
      `let PM2 start the app itself: pm2 delete ${name} && pm2 start server.js --name ${name}`,
    );
  }
  const line = server.command.slice(1).join(' ');
  return new Refusal(
    'E_WRAPPER',
    `PM2 manages ${tool} here; ${action} belongs to its child, process ${server.pid} (node ${line})`,
    `let PM2 start the app itself: pm2 delete ${name} && pm2 start ${line} --name ${name}`,
  );
}

interface Descendant {
  pid: number;
  command: string[];
}

/** Children, grandchildren and so on, the deepest last; empty where there is no /proc. */
function descendants(root: number): Descendant[] {
  const children = new Map<number, number[]>();
  let pids: string[] = [];
  try {
    pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {}
  for (const pid of pids) {
    // The command name in field 2 may hold blanks and brackets: what counts starts behind the last bracket (proc(5)).
    const parent = Number(read(`/proc/${pid}/stat`).replace(/^.*\)/s, '').trim().split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const found: Descendant[] = [];
  const level = [...(children.get(root) ?? [])];
  for (let pid = level.shift(); pid !== undefined; pid = level.shift()) {
    found.push({ pid, command: read(`/proc/${pid}/cmdline`).split('\0').filter(Boolean) });
    level.push(...(children.get(pid) ?? []));
  }
  return found;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
