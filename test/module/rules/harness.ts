// A fleet without processes for tests of the rules, with apps that stand as the test says.
import type { FigureSample } from '../../../contract/figures.ts';
import { FIGURES } from '../../../contract/figures.ts';
import type { ServingState } from '../../../contract/standing.ts';
import { createFleet, type Fleet, type Member } from '../../../module/fleet/fleet.ts';
import { readManaged } from '../../../module/pm2/managedProcess.ts';

export interface Given {
  id: number;
  name: string;
  pid?: number;
  state?: ServingState;
  /** Where it listens. */
  at?: string[];
}

/** A fleet of attached processes. */
export function fleetOf(...apps: Given[]): Fleet & { setApps(apps: Given[]): void } {
  const fleet = createFleet(() => true);
  const setApps = (given: Given[]) => {
    const listed = given.map(({ id, name, pid = 100_000_000 + id }) =>
      readManaged({
        ...{ pid, pm_id: id, name },
        pm2_env: { pm_id: id, status: 'online', exec_mode: 'cluster_mode', name } as never,
      } as never),
    );
    fleet.sync(listed);
    for (const { id, state = 'serving', at = [] } of given) {
      const member = memberOf(fleet, id);
      const addresses = at.map((each) => ({ at: each, own: false }));
      Object.assign(member, { state, addresses, attachment: { is: 'attached', version: '0', since: 0 } });
    }
  };
  setApps(apps);
  return { ...fleet, setApps };
}

export function memberOf(fleet: Pick<Fleet, 'get'>, id: number): Member {
  const member = fleet.get(id);
  if (!member) throw new Error(`there is no process with id ${id}`);
  return member;
}

const NOTHING = Object.fromEntries(FIGURES.map((name) => [name, 0])) as FigureSample;

export function sample(figures: Partial<FigureSample>): FigureSample {
  return { ...NOTHING, nextWithinMs: 1_000, ...figures };
}
