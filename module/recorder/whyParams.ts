// What a person typed behind `pm2 trigger pm2-ops why`: a target, key=value pairs, or a JSON object. Strict, as for other actions.
import * as z from 'zod/mini';
import type { WhyRequest } from '../../contract/exits.ts';
import { readParams } from '../../contract/params.ts';
import { ALL } from '../../contract/target.ts';
import { MOMENT_FORM, readMoment } from '../../shared/text/duration.ts';

const BETWEEN = /[\s,&]+/;
const MOST = 1_000;
const targets = z.union([z.string().check(z.minLength(1), z.maxLength(1_000)), z.number()]);

/**
 * @param isName is there an app with exactly this name? Then the text means that app, whatever it looks like
 * @param nowMs milliseconds of Date.now()
 * @returns the question, or what is wrong with it
 */
export function parseWhyParams(raw: unknown, isName: (text: string) => boolean, nowMs: number): WhyRequest | string {
  // A name may contain blanks; one of an app that is gone is not known here.
  if (typeof raw === 'string' && (isName(raw) || !/[={]/.test(raw))) return { target: raw.trim() === '' ? ALL : raw };
  const read = readParams(raw, BETWEEN, 'target');
  if (typeof read === 'string') return `not understood: ${JSON.stringify(raw)}`;
  const { target, app, id, last, since, ...unknown } = read;
  const [surplus] = Object.keys(unknown);
  if (surplus !== undefined) return `why has no parameter "${surplus}"; there are target, last, since`;
  const named = [target, app, id].filter((each) => each !== undefined);
  if (named.length > 1) return 'the target is given twice';
  const meant = targets.safeParse(named[0] ?? ALL);
  if (!meant.success) return `target must be an app's name, an id, name:id or all, got ${JSON.stringify(named[0])}`;
  const count = last === undefined ? undefined : Number(last);
  if (count !== undefined && !(Number.isInteger(count) && count >= 1 && count <= MOST))
    return `last must be a whole number from 1 to ${MOST}, got ${JSON.stringify(last)}`;
  const from = since === undefined ? undefined : momentOf(since, nowMs);
  if (since !== undefined && from === undefined)
    return `since must be ${MOMENT_FORM}, or milliseconds since 1970, got ${JSON.stringify(since)}`;
  return {
    target: String(meant.data),
    ...(count === undefined ? {} : { last: count }),
    ...(from === undefined ? {} : { since: from }),
  };
}

function momentOf(given: unknown, nowMs: number): number | undefined {
  if (typeof given === 'number') return Number.isFinite(given) && given >= 0 ? given : undefined;
  if (typeof given !== 'string') return undefined;
  return /^\d{9,16}$/.test(given) ? Number(given) : readMoment(given, nowMs);
}
