// What a person typed behind `pm2 trigger pm2-ops reload`: a JSON object, key=value pairs, or the app's bare name.
// Strict: a parameter that is silently ignored is a reload without its health check.
import * as z from 'zod/mini';
import type { OfApp } from '../../../contract/app.ts';
import { readParams } from '../../../contract/params.ts';
import { aboutReloadTime, RELOAD_TIMES, type ReloadTime } from '../../../contract/reload.ts';

/** A name may hold spaces and commas, so that only the next `key=` ends it. */
const BEFORE_PAIR = /[\s,]+(?=[A-Za-z]\w*=)/;

const time = (name: ReloadTime, maxMs = 3_600_000) => ({
  schema: z._default(
    z.pipe(
      z.union([z.number(), z.string().check(z.regex(/^\d+$/))]),
      z.pipe(
        z.transform((value: string | number) => Number(value)),
        z.int().check(z.minimum(0), z.maximum(maxMs)),
      ),
    ),
    RELOAD_TIMES[name].standardMs,
  ),
  form: aboutReloadTime(name),
});
const flag = z._default(
  z.pipe(
    z.union([z.boolean(), z.enum(['true', 'false'])]),
    z.transform((value: boolean | 'true' | 'false') => String(value) === 'true'),
  ),
  false,
);

/** Every parameter: how it is read, and what to tell a person. */
const PARAMS = {
  app: {
    schema: z.pipe(
      z.union([z.string().check(z.minLength(1)), z.number()]),
      z.transform((value: string | number) => String(value)),
    ),
    form: 'the name of an app, or the id of one of its instances',
  },
  timeout: time('timeout'),
  settle: time('settle', 600_000),
  health: {
    schema: z.optional(z.string().check(z.regex(/^(\/|https?:\/\/\S)/))),
    form: "a path on the app's port, or a URL, that must answer 2xx",
  },
  drain: time('drain'),
  patient: time('patient'),
  force: {
    schema: flag,
    form: 'true: go on where clients of an address are refused: for a moment, or because it is given up',
  },
  env: { schema: z.optional(z.record(z.string(), z.string())), form: 'environment variables to change (JSON only)' },
} as const;

export type ReloadParams = { [Key in keyof typeof PARAMS]: z.output<(typeof PARAMS)[Key]['schema']> };

/** The standard parameters for an app. */
export function reloadParamsOf({ namespace, name }: OfApp): ReloadParams {
  const app = `${namespace}:${name}`;
  const params = Object.entries(PARAMS).map(([key, { schema }]) => [
    key,
    z.parse(schema as z.ZodMiniType, key === 'app' ? app : undefined),
  ]);
  return Object.fromEntries(params) as ReloadParams;
}

/** @returns the parameters, or the message of what is wrong with them */
export function parseReloadParams(raw: unknown): ReloadParams | string {
  const read = readParams(raw, BEFORE_PAIR, 'app');
  if (typeof read === 'string') return `not understood: ${JSON.stringify(raw)}`;
  const given = { ...read };
  // As the other actions of the module take it.
  if (given.app === undefined && given.id !== undefined) {
    given.app = given.id;
    delete given.id;
  }
  const unknown = Object.keys(given).find((key) => !Object.hasOwn(PARAMS, key));
  if (unknown !== undefined) return `reload has no parameter "${unknown}"; there are ${Object.keys(PARAMS).join(', ')}`;
  const params: Record<string, unknown> = {};
  for (const [key, { schema, form }] of Object.entries(PARAMS)) {
    const result = z.safeParse(schema as z.ZodMiniType, given[key]);
    if (!result.success) {
      if (key === 'app' && given.app === undefined) return 'which app?';
      return `${key} must be ${form}, got ${JSON.stringify(given[key])}`;
    }
    params[key] = result.data;
  }
  return params as ReloadParams;
}
