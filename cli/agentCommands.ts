// What the command line adds to the actions of managed processes: each of them is a command of the same name, with its
// parameters as options. One entry an action; the rest is in contract/actions.
import type { Skipped } from '../contract/actions/declaration.ts';
import type { ActionName, FieldsOf } from '../contract/actions/index.ts';
import type { Growth } from '../contract/actions/leakReport.ts';
import type { MemoryUsage } from '../contract/actions/memoryUsage.ts';
import type { Place } from '../contract/actions/place.ts';
import type { Success } from '../contract/reply.ts';

/** The reply of an instance that did it, and did not leave it to another one. */
export type DoneOf<Name extends ActionName> = Success & Exclude<FieldsOf<Name>, Skipped>;

export interface AgentCommand<Name extends ActionName> {
  /** The reply in a line for a person; without it, its fields as they are. */
  tells?(reply: DoneOf<Name>): string;
  /** What to do next, a line each. @param id of the process */
  next?(reply: DoneOf<Name>, id: number | string): string[];
}

export const AGENT_COMMANDS: { readonly [Name in ActionName]: AgentCommand<Name> } = {
  heapdump: {
    tells: ({ file, bytes, ms, drained, reason }) =>
      `${file} (${megabytes(bytes)}, ${seconds(ms)}, ${whetherDrained(drained, reason)})`,
    next: ({ file }) => [
      ...(file.endsWith('.gz') ? [`unpack it: gunzip -k ${file}`] : []),
      'open it: Chrome, DevTools, Memory, Load profile. It holds secrets: copy it encrypted, delete it when done',
    ],
  },
  drain: {
    tells: ({ finished, closed, cut, cutRequests, note, ms }) =>
      `drained: ${finished} finished, ${closed} closed, ${cut} cut${cutRequests === undefined ? '' : ` (${cutRequests.join(', ')})`} (${seconds(ms)})${note === undefined ? '' : `; ${note}`}`,
    next: (_reply, id) => [`put it back into service: pm2-ops resume ${id}`],
  },
  resume: {
    tells: ({ state, addresses }) => `${state} on ${addresses.join(', ')}`,
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
        `busy ${percent(busy)} of ${sampled.toFixed(1)} s`,
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
        `${verdict}: ${reason} (${rate(growth)}, watched for ${watched} s)`,
        ...frames(sites, ({ bytesPerMinute }) => `${megabytes(bytesPerMinute)}/min`),
        file,
      ].join('\n'),
    next: ({ verdict, file }, id) => [
      ...(verdict === 'unclear' ? [`watch it for longer: pm2-ops leak-report ${id} --seconds 300`] : []),
      `open it: Chrome, DevTools, Memory, Load profile; or npx speedscope ${file}`,
      ...(verdict === 'growing' ? [`what holds it: pm2-ops heapdump ${id}`] : []),
    ],
  },
  gc: {
    tells: ({ before, after, ms }) => `heap used ${heap(before)} before, ${heap(after)} after (${seconds(ms)})`,
    next: (_reply, id) => [`what the heap still holds: pm2-ops heapdump ${id}`],
  },
  report: {
    tells: ({ file, bytes }) => `${file} (${megabytes(bytes)})`,
  },
};

/** The heaviest functions, a line each: their share, their weight, their name and where they are. */
function frames<Weighed extends Place & { share: number; allocatedIn?: string }>(
  list: readonly Weighed[],
  weight: (place: Weighed) => string,
): string[] {
  return list.map((place) => {
    const { function: name, file, line, hotLine, from, allocatedIn, share } = place;
    const where = line > 0 ? `${file}:${hotLine ?? line}` : file;
    const more = from ? ` called from ${from}` : allocatedIn ? ` in ${allocatedIn}` : '';
    return `  ${percent(share).padStart(6)}  ${weight(place).padStart(12)}  ${name}  ${where}${more}`;
  });
}

/** @param reason why not, or what else is to be said */
function whetherDrained(drained: boolean, reason: string | undefined): string {
  if (!drained) return `not drained: ${reason}`;
  return reason === undefined ? 'drained meanwhile' : `drained; ${reason}`;
}

function rate({ bytesPerMinute, bytesPerRequest }: Growth): string {
  const perRequest = bytesPerRequest === null ? '' : `, ${bytesPerRequest} bytes per request`;
  return `${bytesPerMinute < 0 ? '-' : ''}${megabytes(Math.abs(bytesPerMinute))} per minute${perRequest}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function megabytes(bytes: number): string {
  const mb = bytes / 2 ** 20;
  return `${mb < 10 ? mb.toFixed(1) : Math.round(mb)} MB`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function heap({ heapUsed }: MemoryUsage): string {
  return megabytes(heapUsed);
}
