// `attach` and `detach`: a person puts agents into processes and takes them out.
import type { Failure } from '../../../contract/errors.ts';
import type { AttachLoop } from '../../agents/attachLoop.ts';
import type { Member } from '../../fleet/fleet.ts';
import { membersOf } from '../../fleet/target.ts';
import { type ProcessStatusParts, processStatus } from '../processStatus.ts';
import type { AttachmentReply, Target } from '../request.ts';

export interface AttachParts extends ProcessStatusParts {
  attachLoop: Pick<AttachLoop, 'retry' | 'detach'>;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

/** Tries anew to attach to processes; the reply does not wait for their agents. */
export function attach(parts: AttachParts, { target }: Target): Promise<AttachmentReply<'attach'> | Failure> {
  return withMembers(parts, 'attach', target, (members) => parts.attachLoop.retry(members));
}

/** Takes the agents out; the processes stay without until they restart, or a person attaches them again. */
export function detach(parts: AttachParts, { target }: Target): Promise<AttachmentReply<'detach'> | Failure> {
  return withMembers(parts, 'detach', target, (members) => parts.attachLoop.detach(members));
}

async function withMembers<Action extends 'attach' | 'detach'>(
  parts: AttachParts,
  action: Action,
  target: string,
  act: (members: Member[]) => void | Promise<void>,
): Promise<AttachmentReply<Action> | Failure> {
  await parts.refresh();
  const members = membersOf(parts.fleet, target, action);
  if ('code' in members) return members;
  await act(members);
  return { ok: true, action, processes: members.map((member) => processStatus(parts, member)) };
}
