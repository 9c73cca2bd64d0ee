// Gathers once what doctor's checks look at.
import type { DoctorReply } from '../../../contract/commandMessages.ts';
import type { AgentCalls } from '../../agents/agentCalls.ts';
import { askOpsStatus } from '../../agents/askOpsStatus.ts';
import type { Member } from '../../fleet/fleet.ts';
import type { Responsiveness } from '../../fleet/responsiveness.ts';
import { examine } from './doctor.ts';
import type { Host, OpsStatus } from './finding.ts';

/** How long an agent may take to answer. */
const STATUS_WITHIN_MS = 2_000;

export interface DoctorParts extends Omit<Host, 'members' | 'blocked' | 'statuses'> {
  calls: AgentCalls;
  responsiveness: Responsiveness;
}

/** Examines the host, the module and every process. Settles within seconds. */
export async function askDoctor({ calls, responsiveness, ...known }: DoctorParts): Promise<DoctorReply> {
  const members = known.fleet.members();
  const blocked = await responsiveness.blocked(members);
  const answering = members.filter(
    ({ process: listed, attachment }) => attachment.is === 'attached' && !blocked.has(listed.pid),
  );
  const statuses = await Promise.all(answering.map((member) => statusOf(calls, member)));
  return examine({
    ...known,
    members,
    blocked,
    statuses: new Map(statuses.flatMap((status) => (status ? [status] : []))),
  });
}

async function statusOf(calls: AgentCalls, { process: listed, state }: Member): Promise<[number, OpsStatus] | null> {
  const status = await askOpsStatus(calls, listed.pmId, STATUS_WITHIN_MS);
  if (!status) return null;
  const { servers, memory } = status;
  const listening = servers.filter(({ listening }) => listening);
  const keepAliveTimeoutMs = Math.max(0, ...listening.map((server) => server.keepAliveTimeoutMs ?? 0));
  // A process that listens only for its own children has no clients.
  const serves = state !== 'no-server' && listening.length > 0;
  return [listed.pid, { ...memory, serves, keepAliveTimeoutMs }];
}
