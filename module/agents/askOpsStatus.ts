// Asks an agent for `ops-status`, for everything in the module that acts on the answer.

import type { PmId } from '../../contract/pmId.ts';
import type { ServerInfo } from '../../contract/standing.ts';
import type { AgentCalls } from './agentCalls.ts';
import { type OpsStatusReply, readOpsStatus } from './opsStatusReply.ts';

/** How long an agent may take to tell where its app listens. */
const SERVERS_WITHIN_MS = 5_000;

/** The servers of an instance; empty if its agent does not answer. */
export async function serversOf(calls: Pick<AgentCalls, 'run'>, pmId: PmId): Promise<ServerInfo[]> {
  return (await askOpsStatus(calls, pmId, SERVERS_WITHIN_MS))?.servers ?? [];
}

/** @returns undefined if the agent fails or does not answer in time */
export async function askOpsStatus(
  calls: Pick<AgentCalls, 'run'>,
  pmId: PmId,
  withinMs: number,
): Promise<OpsStatusReply | undefined> {
  return readOpsStatus(await calls.run(pmId, 'ops-status', {}, withinMs));
}
