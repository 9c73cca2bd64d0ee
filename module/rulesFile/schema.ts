// The form of rules.json. The JSON schema in docs/ is made of it by scripts/rulesSchema.ts.
import * as z from 'zod/mini';
import { CAUSES } from '../../contract/exits.ts';

/** A text for a person, which the JSON schema shows as well. */
const about = (description: string) => z.describe(description);

export const DURATION = /^\d{1,6}(\.\d{1,3})?(ms|s|m|h|d)$/;
export const SIZE = /^\d{1,6}(\.\d{1,3})?(KB|MB|GB|TB)$/;
export const RULE_NAME = /^[A-Za-z0-9][\w.-]{0,63}$/;

const duration = (what: string) => z.string().check(z.regex(DURATION), about(`${what}: 500ms, 30s, 5m, 2h, 1d`));
const size = (what: string) => z.string().check(z.regex(SIZE), about(`${what}: 100MB, 2GB`));
const count = (max: number, what: string) => z.int().check(z.minimum(1), z.maximum(max), about(what));
const forTime = z.optional(duration('how long on end; 10s unless told'));

const share = (is: 'utilization' | 'heap', what: string) =>
  z.strictObject({
    is: z.literal(is),
    above: z.number().check(z.gt(0), z.lt(1), about(`${what}, between 0 and 1`)),
    below: z.optional(z.number().check(z.minimum(0), z.lt(1), about('it is over below; 0.8 × above unless told'))),
    for: forTime,
  });
const amount = (is: 'delay-p99' | 'errors', max: number, what: string) =>
  z.strictObject({
    is: z.literal(is),
    above: z.number().check(z.gt(0), z.maximum(max), about(what)),
    below: z.optional(z.number().check(z.minimum(0), about('it is over below; 0.8 × above unless told'))),
    for: forTime,
  });

const when = z.discriminatedUnion('is', [
  z.strictObject({
    is: z.literal('blocked'),
    for: z.optional(duration('for how long its event loop has not turned, at least 1s; 2s unless told')),
  }),
  amount('delay-p99', 3_600_000, 'milliseconds'),
  share('utilization', 'share of the time for which the event loop works'),
  share('heap', 'share of the heap limit that is used'),
  amount('errors', 1_000_000, 'a minute: responses of 500 and above, exceptions and rejections that nothing handled'),
  z.strictObject({
    is: z.literal('growth'),
    above: size('growth of the memory in an hour'),
    below: z.optional(size('it is over below; 0.8 × above unless told')),
    for: z.optional(duration('how long on end; 1h unless told')),
  }),
  z.strictObject({
    is: z.literal('exit'),
    causes: z.array(z.enum(CAUSES)).check(z.minLength(1), about('as pm2-ops why names them')),
    times: z.optional(count(1_000, 'how many of them; 1 unless told')),
    in: z.optional(duration('within which time; 10m unless told')),
  }),
  z.strictObject({
    is: z.literal('restarts'),
    times: count(1_000, 'how many exits that nobody has asked for'),
    in: z.optional(duration('within which time; 10m unless told')),
  }),
  z.strictObject({
    is: z.literal('disk'),
    below: size('left on the disk for dumps'),
    above: z.optional(size('it is over above; 1.25 × below unless told')),
    for: forTime,
  }),
]);

const seconds = (standard: number, least = 1) =>
  z.optional(z.int().check(z.minimum(least), z.maximum(600), about(`${standard} unless told`)));
const flag = (what: string) => z.optional(z.boolean().check(about(what)));

/** Actions that have nothing to be told about. */
export const BARE_ACTIONS = [
  'stack',
  'cpu-profile',
  'heap-profile',
  'leak-report',
  'heapdump',
  'report',
  'reload',
  'alert',
] as const;

const detailed = z.discriminatedUnion('action', [
  z.strictObject({ action: z.literal('cpu-profile'), seconds: seconds(10) }),
  z.strictObject({ action: z.literal('heap-profile'), seconds: seconds(30) }),
  z.strictObject({
    action: z.literal('leak-report'),
    seconds: seconds(60, 5),
    largestHeap: z.optional(size('not of a larger heap, because each full collection stops it; 1GB unless told')),
  }),
  z.strictObject({
    action: z.literal('heapdump'),
    gzip: flag('compress the file'),
    scale: flag('add a sibling for the time of the dump where none serves, and one can be added'),
    inPlace: flag('dump even where no sibling serves meanwhile: clients wait'),
  }),
]);
const action = z.union([z.enum(BARE_ACTIONS), detailed]);

const limit = z.strictObject({
  times: count(10_000, 'how often'),
  in: duration('in any time of that length'),
});

const rule = z.strictObject({
  name: z
    .string()
    .check(z.regex(RULE_NAME), about('letters, digits, dashes, dots; that of a built-in rule replaces it')),
  on: z.optional(z.boolean().check(about('false: the rule is not in force'))),
  apps: z.optional(
    z
      .array(z.string().check(z.minLength(1), z.maxLength(200)))
      .check(z.minLength(1), about('names of apps, or globs; all unless told')),
  ),
  when: z.optional(when),
  do: z.optional(z.array(action).check(z.minLength(1), z.maxLength(8), about('in this order'))),
  limit: z.optional(limit.check(about('how often it takes evidence of one app; once in 1h unless told'))),
  severity: z.optional(z.enum(['critical', 'warning', 'info']).check(about('of its alert; warning unless told'))),
});

export const rulesFile = z.strictObject({
  $schema: z.optional(z.string()),
  host: z.optional(
    z
      .strictObject({
        atOnce: z.optional(
          z
            .int()
            .check(z.minimum(1), z.maximum(16), about('stacks at the same time, and other actions; 2 unless told')),
        ),
        times: z.optional(count(10_000, 'actions of all rules; 30 unless told')),
        in: z.optional(duration('in any time of that length; 1h unless told')),
      })
      .check(about('what all rules together may do on this host')),
  ),
  rules: z.array(rule).check(z.maxLength(100)),
});

export type RulesFile = z.output<typeof rulesFile>;
export type RuleInFile = RulesFile['rules'][number];
