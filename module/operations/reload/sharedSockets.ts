// In fork mode no primary shares out connections: a second process could not listen where the first does. So the module holds the
// listening sockets of the old instances, and the new ones take them over.
import { Refusal } from '../../../contract/errors.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { Doors } from '../../door/doors.ts';
import { list } from '../../fleet/cover.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';
import type { FormerAddresses } from './formerAddresses.ts';

/** The sockets of one run that are passed on. */
export interface SharedSockets {
  /** Has the module hold those of fork-mode instances that share theirs with nobody. Their addresses count as shared from then on. */
  hold(members: readonly Member[]): Promise<void>;
  /** Why the sockets of an instance cannot be passed on; undefined where they are, or need not be. */
  whyNot(pmId: PmId): string | undefined;
  /** Node's options with which an instance takes them over; undefined where it takes over none. */
  nodeArgsOf(pmId: PmId): string[] | undefined;
  /** The instance that is started next takes over those of this one. */
  passOnTo(pmId: PmId): void;
  /** The run is over: what nobody takes over any more is held no longer. */
  end(): void;
}

/** Nothing is held yet. */
export function createSharedSockets(
  { doors, fleet }: { doors: Doors; fleet: Fleet },
  addresses: FormerAddresses,
): SharedSockets {
  const held = new Set<PmId>();
  const reasons = new Map<PmId, string>();
  let expected = () => {};
  return {
    async hold(members) {
      await Promise.all(members.filter(needsIt).map(holdOne));
    },
    whyNot: (pmId) => reasons.get(pmId),
    nodeArgsOf(pmId) {
      return held.has(pmId) ? doors.nodeArgs(fleet.get(pmId)?.process.nodeArgs ?? []) : undefined;
    },
    passOnTo(pmId) {
      expected();
      expected = held.has(pmId) ? doors.expectBeside(pmId) : () => {};
    },
    end() {
      expected();
      for (const pmId of held) doors.release(pmId);
    },
  };

  function needsIt({ process: { pmId, mode } }: Member): boolean {
    return mode === 'fork' && fixed(pmId).length > 0 && addresses.shareableOf(pmId).length === 0;
  }

  async function holdOne(member: Member): Promise<void> {
    const { pmId } = member.process;
    try {
      const why = doors.whyNot(member);
      if (why !== undefined) throw new Refusal('E_STATE', why, '');
      const at = (await doors.hold(member)).map((each) => each.at);
      held.add(pmId);
      const others = fixed(pmId).filter((each) => !at.includes(each.at));
      if (others.length > 0) throw new Refusal('E_STATE', `no second process can listen on ${list(others)}`, '');
      addresses.share(pmId);
    } catch (error) {
      reasons.set(pmId, (error as Error).message);
    }
  }

  /** Clients cannot expect a port that the system chose. */
  function fixed(pmId: PmId) {
    return (addresses.of(pmId) ?? []).filter(({ anyPort }) => !anyPort);
  }
}
