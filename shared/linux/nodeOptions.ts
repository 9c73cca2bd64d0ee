// The options of Node that a process was started with, as far as /proc shows them.

import { read } from './proc.ts';

/** The options of Node that a process was started with. PM2 overwrites the command line with a title, so this also reads the
 * environment (what PM2 puts there, and NODE_OPTIONS). It may miss some. */
export function nodeOptions(pid: number): string[] {
  const words = (read(`/proc/${pid}/cmdline`) ?? '').split('\0');
  const script = words.findIndex((word, index) => index > 0 && !word.startsWith('-'));
  const options = words.slice(1, script < 0 ? undefined : script);
  for (const variable of (read(`/proc/${pid}/environ`) ?? '').split('\0')) {
    const [, value] = /^(?:NODE_OPTIONS|node_args)=(.*)$/s.exec(variable) ?? [];
    if (value) options.push(...value.split(/[\s,]+/));
  }
  return options.filter(Boolean);
}

const DEFAULT_INSPECTOR_PORT = 9229;

/** The port on which a process would open its inspector; 0 is any port. A guess if its options cannot be read. */
export function expectedPort(pid: number): number {
  let port = DEFAULT_INSPECTOR_PORT;
  for (const word of nodeOptions(pid)) {
    const [, value] = /^--(?:inspect(?:-brk|-wait|-port)?|debug-port)=(?:.*:)?(\d+)$/.exec(word) ?? [];
    if (value !== undefined) port = Number(value);
  }
  return port;
}

/** Was a process started with an inspector? */
export function wasToldToInspect(pid: number): boolean {
  return nodeOptions(pid).some((word) => /^--inspect(-brk|-wait)?(=|$)/.test(word));
}
