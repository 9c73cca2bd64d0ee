// What an agent answers to `ops-status`, as far as the module itself acts on it: validated, because it is an app's word.
import * as z from 'zod/mini';
import type { HeardReply } from '../../contract/reply.ts';
import type { ServerInfo } from '../../contract/standing.ts';

const amount = z.number().check(z.minimum(0));
const bytes = z._default(amount, 0);

const servers = z.array(
  z.object({
    kind: z.enum(['http', 'https', 'http2', 'net', 'tls']),
    address: z.string().check(z.maxLength(300)),
    listening: z.boolean(),
    connections: amount,
    inFlight: amount,
    keepAliveTimeoutMs: z.exactOptional(amount),
  }),
);
const memory = z.object({ heapUsed: bytes, rss: bytes });

export interface OpsStatusReply {
  /** None where it names none, or what it names are none. */
  servers: ServerInfo[];
  memory: { heapUsed: number; rss: number };
}

/** @returns undefined when it is a failure */
export function readOpsStatus(reply: HeardReply<'ops-status'>): OpsStatusReply | undefined {
  if (!reply.ok) return undefined;
  return {
    servers: servers.safeParse(reply.servers).data ?? [],
    memory: memory.safeParse(reply.memory).data ?? { heapUsed: 0, rss: 0 },
  };
}
