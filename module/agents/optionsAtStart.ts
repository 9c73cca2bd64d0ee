// A process that comes to the door at its start gets the options of its agent there. So it has one before its app serves, and a
// restart that follows at once drains it.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Settings } from '../../contract/settings.ts';
import type { Fleet } from '../fleet/fleet.ts';
import type { OptionsFor } from './agentOptions.ts';
import { leftAlone } from './leftAlone.ts';

export interface OptionsAtStartParts {
  fleet: Pick<Fleet, 'get' | 'members'>;
  settings: Pick<Settings, 'attach' | 'include' | 'exclude'>;
  optionsFor: OptionsFor;
}

/**
 * @param itself its app loads the agent in its own code
 * @returns undefined where it is to have none, or PM2 has not listed its id yet: it gets its agent as every other process
 */
export type OptionsAtStart = (pmId: PmId, pid: number, itself: boolean) => AgentOptions | undefined;

export function createOptionsAtStart({ fleet, settings, optionsFor }: OptionsAtStartParts): OptionsAtStart {
  return (pmId, pid, itself) => {
    // PM2's list lags behind: this may be the process before.
    const member = fleet.get(pmId);
    if (!member || (settings.attach === 'off' && !itself) || leftAlone(member, settings, fleet)) return undefined;
    try {
      return optionsFor({ ...member.process, pid });
    } catch {
      // There can be no folder for its user. The attach loop says so.
      return undefined;
    }
  };
}
