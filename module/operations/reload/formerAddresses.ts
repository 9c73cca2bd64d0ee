// Where the instances of an app listened before its reload: there the new ones have to listen, too.
import type { App } from '../../../contract/app.ts';
import type { PmId } from '../../../contract/pmId.ts';
import type { ListenAddress } from '../../../contract/standing.ts';
import { coverOf, shareable } from '../../fleet/cover.ts';
import type { Fleet, Member } from '../../fleet/fleet.ts';

/** The addresses of an app as they were when its reload began. */
export interface FormerAddresses {
  /** Asks every agent where its process listens now. */
  learn(): Promise<void>;
  /** The sockets of an instance are passed on: others can listen there from now on, as if a primary shared them out. */
  share(pmId: PmId): void;
  /** Does any instance listen? Then so must the new ones. */
  serves(): boolean;
  /** Where an instance listened; undefined where no agent has told. */
  of(pmId: PmId): ListenAddress[] | undefined;
  /** Of every instance that has told. */
  all(): ListenAddress[][];
  /** The addresses of an instance that another process can listen on beside it. */
  shareableOf(pmId: PmId): ListenAddress[];
  /** Where the successor of an instance has to listen. Clients cannot expect a port that the system chose. */
  requiredOf(pmId: PmId): string[];
  /** Where a canary has to listen that takes over for this instance. */
  requiredBeside(pmId: PmId): string[];
  /**
   * Addresses of an instance, of those that can be shared, at which no other instance listens now.
   * @param model the instance whose former addresses count
   */
  aloneAt(pmId: PmId, model?: PmId): ListenAddress[];
}

/** What is needed to know where instances listen. */
export interface AddressParts {
  fleet: Fleet;
  askState(member: Member): Promise<void>;
}

/** @param force the caller gives addresses up: no instance has to listen anywhere */
export function createFormerAddresses(
  { fleet, askState }: AddressParts,
  app: App,
  members: readonly Member[],
  force: boolean,
): FormerAddresses {
  const addresses = new Map<PmId, ListenAddress[]>();
  const shared = new Map<PmId, ListenAddress[]>();
  let anyListens = members.some(listens);
  const of = (pmId: PmId) => addresses.get(pmId);
  const shareableOf = (pmId: PmId) => shared.get(pmId) ?? [];
  const required = (of: ListenAddress[]) => (force ? [] : of.filter(({ anyPort }) => !anyPort).map(({ at }) => at));
  return {
    learn,
    share,
    serves: () => anyListens,
    of,
    all: () => [...addresses.values()],
    shareableOf,
    requiredOf: (pmId) => required(of(pmId) ?? []),
    requiredBeside: (pmId) => required(shareableOf(pmId)),
    aloneAt,
  };

  async function learn(): Promise<void> {
    const online = onlineInstancesOf(fleet, app);
    await Promise.all(online.filter(({ attachment }) => attachment.is === 'attached').map(askState));
    anyListens ||= online.some(listens);
    for (const member of online.filter(listens)) {
      const { pmId } = member.process;
      const others = online.filter((other) => other !== member && listens(other));
      if (member.addresses) addresses.set(pmId, member.addresses);
      shared.set(pmId, shareable(member, others));
    }
  }

  function share(pmId: PmId): void {
    const now = (addresses.get(pmId) ?? []).map((each) => (each.anyPort ? each : { at: each.at }));
    addresses.set(pmId, now);
    shared.set(
      pmId,
      now.filter(({ own }) => !own),
    );
  }

  function aloneAt(pmId: PmId, model: PmId = pmId): ListenAddress[] {
    const member = fleet.get(pmId);
    if (!member) return [];
    const serving = fleet.siblingsOf(member).filter(({ process: listed, state, attachment }) => {
      const isThere = listed.status === 'online' && typeof listed.pmId === 'number';
      return isThere && (state === 'serving' || (state === 'unknown' && attachment.is === 'skipped'));
    });
    return coverOf({ ...member, addresses: shareableOf(model) }, serving).alone;
  }
}

/** The instances of an app by rising id, without those that a reload of PM2 is about to end. */
export function instancesOf(fleet: Fleet, app: App): Member[] {
  return fleet.instancesOf(app).filter(({ process: listed }) => typeof listed.pmId === 'number');
}

/** Those of them that run. */
export function onlineInstancesOf(fleet: Fleet, app: App): Member[] {
  return instancesOf(fleet, app).filter(({ process: listed }) => listed.status === 'online');
}

/** Does it listen, or did it before it was drained? */
function listens({ state }: Member): boolean {
  return state === 'serving' || state === 'draining' || state === 'drained';
}
