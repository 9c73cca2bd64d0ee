// Validates the part of an agent's `ops-status` that the module itself acts on. An app could send any reply.
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
  /** Empty if the reply names no servers, or invalid ones. */
  servers: ServerInfo[];
  memory: { heapUsed: number; rss: number };
}

/** @returns undefined if the reply is a failure */
export function readOpsStatus(reply: HeardReply<'ops-status'>): OpsStatusReply | undefined {
  if (!reply.ok) return undefined;
  return {
    servers: servers.safeParse(reply.servers).data ?? [],
    memory: memory.safeParse(reply.memory).data ?? { heapUsed: 0, rss: 0 },
  };
}
