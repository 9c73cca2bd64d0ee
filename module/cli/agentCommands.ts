// What the command line adds to the actions of managed processes: each of them is a command of the same name, with its
// parameters as options. One entry an action; the rest is in module/protocol.ts.
import type { ActionName, Success } from '../protocol.ts';

export interface AgentCommand {
  /** One line for the help. */
  summary: string;
  /** What the reply means, in a line for a person; without it, its fields as they are. */
  tells?(reply: Success): string;
  /** What to do next, a line each. @param id of the process */
  next?(reply: Success, id: number | string): string[];
}

export const AGENT_COMMANDS: Record<ActionName, AgentCommand> = {
  heapdump: {
    summary: "Writes a heap dump; by an app's name that of its largest instance.",
    tells: ({ file, bytes, ms, drained, reason }) =>
      `${file} (${megabytes(bytes)}, ${seconds(ms)}, ${drained === true ? 'drained meanwhile' : `not drained: ${reason}`})`,
    next: ({ file }) => [
      ...(String(file).endsWith('.gz') ? [`unpack it: gunzip -k ${file}`] : []),
      'open it: Chrome, DevTools, Memory, Load profile. It holds secrets: copy it encrypted, delete it when done',
    ],
  },
  drain: {
    summary: 'Takes an instance out of service: its siblings take over, it finishes what it has and stays up.',
    tells: ({ finished, closed, cut, ms }) =>
      `drained: ${finished} finished, ${closed} closed, ${cut} cut (${seconds(ms)})`,
    next: (_reply, id) => [`have it back: pm2-ops resume ${id}`],
  },
  resume: {
    summary: 'Puts a drained instance back: it listens again as before.',
    tells: ({ state, addresses }) => `${state} on ${[addresses].flat().join(', ')}`,
  },
  'disable-keepalive': {
    summary: 'From now on every response ends its connection, so that clients come back wherever PM2 sends them.',
    tells: ({ connections }) => `keep-alive is off; ${connections} connections are open`,
    next: (_reply, id) => [`undo it: pm2-ops enable-keepalive ${id}`],
  },
  'enable-keepalive': {
    summary: 'Undoes disable-keepalive.',
    tells: ({ connections }) => `keep-alive is on; ${connections} connections are open`,
  },
  'ops-status': { summary: 'State, servers, connections, requests in flight and memory of a process.' },
  gc: {
    summary: 'A full garbage collection, with memory before and after.',
    tells: ({ before, after, ms }) => `heap used ${heap(before)} before, ${heap(after)} after (${seconds(ms)})`,
    next: (_reply, id) => [`what is still held: pm2-ops heapdump ${id}`],
  },
  report: {
    summary: "Writes Node's diagnostic report, without the environment.",
    tells: ({ file, bytes }) => `${file} (${megabytes(bytes)})`,
  },
};

function megabytes(bytes: unknown): string {
  const mb = Number(bytes) / 2 ** 20;
  return `${mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`;
}

function seconds(ms: unknown): string {
  return `${(Number(ms) / 1000).toFixed(1)} s`;
}

function heap(memory: unknown): string {
  return megabytes((memory as NodeJS.MemoryUsage).heapUsed);
}
