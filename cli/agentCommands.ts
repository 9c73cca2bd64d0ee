// What the command line adds to the actions of managed processes: each of them is a command of the same name, with its
// parameters as options. One entry an action; the rest is in contract/actions.
import type { ActionName } from '../contract/actions/index.ts';
import type { Success } from '../contract/reply.ts';

export interface AgentCommand {
  /** What the reply means, in a line for a person; without it, its fields as they are. */
  tells?(reply: Success): string;
  /** What to do next, a line each. @param id of the process */
  next?(reply: Success, id: number | string): string[];
}

export const AGENT_COMMANDS: Record<ActionName, AgentCommand> = {
  heapdump: {
    tells: ({ file, bytes, ms, drained, reason }) =>
      `${file} (${megabytes(bytes)}, ${seconds(ms)}, ${whetherDrained(drained === true, reason)})`,
    next: ({ file }) => [
      ...(String(file).endsWith('.gz') ? [`unpack it: gunzip -k ${file}`] : []),
      'open it: Chrome, DevTools, Memory, Load profile. It holds secrets: copy it encrypted, delete it when done',
    ],
  },
  drain: {
    tells: ({ finished, closed, cut, cutRequests, note, ms }) =>
      `drained: ${finished} finished, ${closed} closed, ${cut} cut${cutRequests === undefined ? '' : ` (${[cutRequests].flat().join(', ')})`} (${seconds(ms)})${note === undefined ? '' : `; ${note}`}`,
    next: (_reply, id) => [`have it back: pm2-ops resume ${id}`],
  },
  resume: {
    tells: ({ state, addresses }) => `${state} on ${[addresses].flat().join(', ')}`,
  },
  'disable-keepalive': {
    tells: ({ connections }) => `keep-alive is off; ${connections} connections are open`,
    next: (_reply, id) => [`undo it: pm2-ops enable-keepalive ${id}`],
  },
  'enable-keepalive': {
    tells: ({ connections }) => `keep-alive is on; ${connections} connections are open`,
  },
  'ops-status': {},
  'cpu-profile': {
    tells: ({ seconds: sampled, busy, top, file, bytes }) =>
      [
        `busy ${percent(busy)} of ${Number(sampled).toFixed(1)} s`,
        ...frames(top, ({ selfMs }) => `${selfMs} ms`),
        `${file} (${megabytes(bytes)})`,
      ].join('\n'),
    next: ({ file }) => [`open it: Chrome, DevTools, Performance, Load profile; or npx speedscope ${file}`],
  },
  'heap-profile': {
    tells: ({ seconds: sampled, allocated, top, file, bytes }) =>
      [
        `${megabytes(allocated)} allocated in ${sampled} s`,
        ...frames(top, ({ size }) => megabytes(size)),
        `${file} (${megabytes(bytes)})`,
      ].join('\n'),
    next: ({ file }) => [`open it: Chrome, DevTools, Memory, Load profile; or npx speedscope ${file}`],
  },
  'leak-report': {
    tells: ({ verdict, reason, growth, sites, seconds: watched, file }) =>
      [
        `${verdict}: ${reason} (${rate(growth as Growth)}, watched for ${watched} s)`,
        ...frames(sites, ({ bytesPerMinute }) => `${megabytes(bytesPerMinute)}/min`),
        String(file),
      ].join('\n'),
    next: ({ verdict, file }, id) => [
      ...(verdict === 'unclear' ? [`surer, over a longer time: pm2-ops leak-report ${id} --seconds 300`] : []),
      `open it: Chrome, DevTools, Memory, Load profile; or npx speedscope ${file}`,
      ...(verdict === 'growing' ? [`who holds it: pm2-ops heapdump ${id}`] : []),
    ],
  },
  gc: {
    tells: ({ before, after, ms }) => `heap used ${heap(before)} before, ${heap(after)} after (${seconds(ms)})`,
    next: (_reply, id) => [`what is still held: pm2-ops heapdump ${id}`],
  },
  report: {
    tells: ({ file, bytes }) => `${file} (${megabytes(bytes)})`,
  },
};

interface Frame {
  function: string;
  file: string;
  line: number;
  hotLine?: number;
  from?: string;
  allocatedIn?: string;
  share: number;
  [weight: string]: unknown;
}

interface Growth {
  bytesPerMinute: number;
  bytesPerRequest: number | null;
}

/** The heaviest functions, a line each: their share, their weight, their name and where they are. */
function frames(list: unknown, weight: (frame: Frame) => string): string[] {
  return (list as Frame[]).map((frame) => {
    const { function: name, file, line, hotLine, from, allocatedIn, share } = frame;
    const where = line > 0 ? `${file}:${hotLine ?? line}` : file;
    const more = from ? ` called from ${from}` : allocatedIn ? ` in ${allocatedIn}` : '';
    return `  ${percent(share).padStart(6)}  ${weight(frame).padStart(12)}  ${name}  ${where}${more}`;
  });
}

/** @param reason why not, or what else is to be said */
function whetherDrained(drained: boolean, reason: unknown): string {
  if (!drained) return `not drained: ${reason}`;
  return reason === undefined ? 'drained meanwhile' : `drained; ${reason}`;
}

function rate({ bytesPerMinute, bytesPerRequest }: Growth): string {
  const perRequest = bytesPerRequest === null ? '' : `, ${bytesPerRequest} bytes per request`;
  return `${bytesPerMinute < 0 ? '-' : ''}${megabytes(Math.abs(bytesPerMinute))} per minute${perRequest}`;
}

function percent(share: unknown): string {
  return `${(Number(share) * 100).toFixed(1)} %`;
}

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
