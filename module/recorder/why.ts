// `why`: the last exits of an app, also of one that is gone, and what to do about the newest.
import { type App, appOf } from '../../contract/app.ts';
import type { Failure } from '../../contract/errors.ts';
import type { ExitRecord, WhyReply, WhyRequest } from '../../contract/exits.ts';
import { isSameSlot, type PmId } from '../../contract/pmId.ts';
import { ALL } from '../../contract/target.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { nextSteps } from './nextSteps.ts';
import type { ExitStore } from './store.ts';

const LAST = 10;

export interface WhyParts {
  fleet: Fleet;
  exits: ExitStore;
}

/**
 * Answers a question about exits.
 * @param inFull how many of the newest come with their lines and figures; the reply of a trigger is printed as a whole
 * @returns a failure if neither PM2 nor a record knows the target
 */
export function answerWhy({ fleet, exits }: WhyParts, request: WhyRequest, inFull: number): WhyReply | Failure {
  const { target, last = LAST, since } = request;
  const meant = target === ALL ? {} : meaningOf(fleet, exits, target);
  if (!meant)
    return {
      ok: false,
      action: 'why',
      code: 'E_PARAMS',
      message: `PM2 manages no process "${target}", and no exit of one is recorded`,
      hint: 'all that are: pm2 trigger pm2-ops why all',
    };
  const { exits: found, more } = exits.read({ ...meant, last, ...(since === undefined ? {} : { since }) });
  const [newest] = found;
  return {
    ok: true,
    action: 'why',
    target,
    exits: found.map((record, at) => (at < inFull ? record : inShort(record))),
    more,
    recordedSince: exits.since,
    next: newest ? nextSteps(fleet, newest) : [],
  };
}

/** An app that PM2 has, or has had, with the ids of its processes. */
interface Known {
  app: App;
  namespace: string;
  name: string;
  pmIds: PmId[];
}

/** What a target means, as `processesOf` reads it, but for apps that are gone as well. */
function meaningOf(fleet: Fleet, exits: ExitStore, target: string): { apps?: App[]; pmId?: PmId } | undefined {
  const living = fleet.members().map(
    ({ process: { namespace, name, pmId } }): Known => ({
      app: appOf({ namespace, name }),
      namespace,
      name,
      pmIds: [pmId],
    }),
  );
  const known = [...living, ...exits.apps().map((each): Known => ({ ...each, app: appOf(each) }))];
  const id = /^\d+$/.test(target) ? Number(target) : undefined;
  const owner = living.find(({ pmIds }) => id !== undefined && pmIds.some((each) => isSameSlot(each, id)));
  if (owner && id !== undefined) return { apps: [owner.app], pmId: id };
  const readings: ((each: Known) => { pmId?: PmId } | undefined)[] = [
    ({ name }) => (name === target ? {} : undefined),
    ({ name, pmIds }) => withId(pmIds, (pmId) => `${name}:${pmId}` === target),
    ({ namespace, name }) => (`${namespace}:${name}` === target ? {} : undefined),
    ({ namespace, name, pmIds }) => withId(pmIds, (pmId) => `${namespace}:${name}:${pmId}` === target),
    ({ pmIds }) => withId(pmIds, (pmId) => String(pmId) === target),
  ];
  for (const reading of readings) {
    const fits = known.flatMap((each) => {
      const fit = reading(each);
      return fit ? [{ ...fit, app: each.app }] : [];
    });
    const [first] = fits;
    if (first)
      return {
        apps: [...new Set(fits.map(({ app }) => app))],
        ...(first.pmId === undefined ? {} : { pmId: first.pmId }),
      };
  }
  return undefined;
}

function withId(pmIds: readonly PmId[], fits: (pmId: PmId) => boolean): { pmId: PmId } | undefined {
  const pmId = pmIds.find(fits);
  return pmId === undefined ? undefined : { pmId };
}

function inShort(record: ExitRecord): ExitRecord {
  const { exception } = record;
  return {
    ...record,
    ...(exception ? { exception: { ...exception, stack: exception.stack.slice(0, 1) } } : {}),
    stdout: [],
    stderr: [],
    figures: [],
    missing: [...record.missing, 'lines and figures: only the newest exits of a reply come with them'],
  };
}
