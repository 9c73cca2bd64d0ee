// The row of one managed process in `status`.
import { appOf } from '../../contract/app.ts';
import type { DoorStatus, ProcessStatus } from '../../contract/commandMessages.ts';
import { listensElsewhere } from '../../shared/linux/listensElsewhere.ts';
import { noteOn } from '../../shared/wrapperAdvice.ts';
import type { Doors } from '../door/doors.ts';
import type { Fleet, Member } from '../fleet/fleet.ts';
import { realProcessOfMember } from '../fleet/realProcess.ts';
import type { ExitStore } from '../recorder/store.ts';

export interface ProcessStatusParts {
  fleet: Fleet;
  doors: Pick<Doors, 'held' | 'isPrepared' | 'whyNot'>;
  exits: Pick<ExitStore, 'last'>;
}

/** @param blockedMs for how long its event loop has not answered, if it is blocked */
export function processStatus(
  { fleet, doors, exits }: ProcessStatusParts,
  member: Member,
  blockedMs?: number,
): ProcessStatus {
  const { process: listed, attachment, state, graceful, kept } = member;
  const lastExit = fleet.exitReports.get(appOf(listed));
  const last = exits.last(appOf(listed), listed.pmId);
  const real = realProcessOfMember(member);
  const elsewhere = state === 'no-server' && !real ? listensElsewhere(listed.pid) : undefined;
  return {
    id: listed.pmId,
    name: listed.name,
    namespace: listed.namespace,
    pid: listed.pid,
    mode: listed.mode,
    status: listed.status,
    attached: attachment.is === 'attached',
    attachment: attachment.is,
    ...(attachment.is === 'attached'
      ? { agent: attachment.version }
      : { code: attachment.code, reason: attachment.reason }),
    state: blockedMs !== undefined ? 'blocked' : (real?.is ?? state),
    ...(blockedMs === undefined ? {} : { blockedMs }),
    ...(graceful === undefined ? {} : { graceful }),
    ...(lastExit === undefined ? {} : { lastExit }),
    ...(last === undefined ? {} : { lastCause: { cause: last.cause, at: last.at, headline: last.headline } }),
    ...(kept.length > 0 ? { kept } : {}),
    ...(real?.is === 'wrapper' ? { wrapper: true as const } : {}),
    ...(real ? { real: noteOn(real) } : {}),
    ...(elsewhere === undefined ? {} : { listensElsewhere: elsewhere }),
    door: doorStatus(doors, member),
  };
}

function doorStatus(doors: ProcessStatusParts['doors'], member: Member): DoorStatus {
  const whyNot = doors.whyNot(member);
  return {
    held: doors.held(member.process.pmId),
    prepared: doors.isPrepared(member),
    ...(whyNot === undefined ? {} : { whyNot }),
  };
}
