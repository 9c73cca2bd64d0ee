// Of which instance is the canary a copy, and which number does it have?
import { shellLine } from '../../../shared/text/shell.ts';
import { list } from '../../fleet/cover.ts';
import type { Member } from '../../fleet/fleet.ts';
import type { ReloadContext } from './context.ts';
import { onlineInstancesOf } from './formerAddresses.ts';
import { ReloadFailure } from './reloadFailure.ts';

/** The instance of which the first canary is a copy. @throws {ReloadFailure} where none is online */
export function modelOf({ parts, app, title, of, addresses }: ReloadContext): Member {
  const online = onlineInstancesOf(parts.fleet, app);
  const model = online.find(({ process: listed }) => addresses.of(listed.pmId) !== undefined) ?? online[0];
  if (model) return model;
  throw new ReloadFailure(
    'E_STATE',
    `no instance of ${title} is online, so there is nothing to protect`,
    `start it: ${shellLine('pm2', 'restart', of.name)}`,
  );
}

/**
 * Where the port follows from NODE_APP_INSTANCE, only an instance of the same number can take over, as in a reload of PM2.
 * Where all listen on the same address, the canary has the next number, so that no work of one number is done twice.
 */
export function numberOf({ old, addresses }: ReloadContext, model: Member): 'same' | 'next' {
  const mine = (addresses.of(model.process.pmId) ?? []).filter(({ anyPort }) => !anyPort);
  const shared = mine.filter(({ own }) => !own);
  if (old.length === 1) return shared.length > 0 && shared.length === mine.length ? 'same' : 'next';
  const where = addresses.all().map((each) => list(each.filter(({ own }) => !own)));
  return new Set(where).size > 1 ? 'same' : 'next';
}
