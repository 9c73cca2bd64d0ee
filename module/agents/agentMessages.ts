// Validates what processes send over the bus. An app can send anything there, and it may be broken, hostile, or of another user.
// Nothing else reads such a message before this has made it a message of an agent, or a reason why it is none.
import * as z from 'zod/mini';
import { ACTION_NAMES } from '../../contract/actions/index.ts';
import type { AgentMessage } from '../../contract/agentMessages.ts';
import type { ExitReport } from '../../contract/exitReport.ts';
import type { Reply } from '../../contract/reply.ts';
import type { ListenAddress } from '../../contract/standing.ts';

/** The largest message: the number of its values, and of the characters in all its texts. */
const MOST_VALUES = 20_000;
const MOST_CHARACTERS = 1_000_000;

/** Characters that move a terminal's cursor, end a line of a log, or change the direction of text. */
const CONTROLS = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u;
const ALL_CONTROLS = new RegExp(CONTROLS, 'gu');

/** A message, or what is wrong with it, in words of ours alone. `nonce`: of a refused reply that a caller may wait for. */
export type Heard = { message: AgentMessage } | { refused: string; nonce?: string };

/** Reads data of the type of agents' messages. Takes a bounded time, and never throws. */
export function readAgentMessage(data: unknown): Heard {
  if (!isSmall(data))
    return { refused: `a message of more than ${MOST_CHARACTERS} characters or ${MOST_VALUES} values` };
  const kind = typeof data === 'object' && data !== null ? (data as { kind?: unknown }).kind : undefined;
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) return { refused: 'a message of no known kind' };
  const result = KINDS[kind as AgentMessage['kind']].safeParse(data);
  if (result.success) return { message: result.data };
  const { nonce } = data as { nonce?: unknown };
  const refused = `a message "${kind}" whose ${placeOf(result.error)} is not what it has to be`;
  return kind === 'reply' && nonces.safeParse(nonce).success ? { refused, nonce: nonce as string } : { refused };
}

/** Replaces characters that a terminal must not get, and cuts off what is too long. */
export function plain(text: string, most: number): string {
  return text.slice(0, most).replace(ALL_CONTROLS, '\ufffd');
}

const text = (most: number) => z.string().check(z.refine((given) => given.length <= most && !CONTROLS.test(given)));
/** A text of the app in a message of its agent, such as a path that a client has requested. */
const foreign = (most: number) =>
  z.pipe(
    z.string(),
    z.transform((given) => plain(given, most)),
  );
const matching = (pattern: RegExp) => z.string().check(z.refine((given) => given.length <= 100 && pattern.test(given)));
const amount = z.number().check(z.minimum(0));
const count = z.int().check(z.minimum(0));
const pids = z.int().check(z.positive());
const ids = matching(/^[\w.-]+$/);
const nonces = matching(/^[\w-]+$/);
const versions = matching(/^[\w.+-]+$/);
const actions = z.enum(ACTION_NAMES);
const states = z.enum(['serving', 'draining', 'drained', 'no-server']);
const graceful = z.enum(['ours', 'app', 'off']);
const isSo = z.exactOptional(z.literal(true));

/** A schema for all fields of a type; TypeScript refuses one that lacks a field. */
function fields<T>(shape: { [Field in keyof T]-?: z.ZodMiniType<T[Field]> }): z.ZodMiniType<T> {
  return z.object(shape) as unknown as z.ZodMiniType<T>;
}

const standing = {
  state: states,
  graceful,
  // The path of a socket may contain any character.
  addresses: z.array(fields<ListenAddress>({ at: foreign(300), own: isSo, anyPort: isSo })),
  stays: isSo,
  exits: isSo,
};

const reports = fields<ExitReport>({
  pid: pids,
  on: z.enum(['SIGINT', 'SIGTERM', 'shutdown']),
  ms: amount,
  killTimeoutMs: amount,
  finished: count,
  closed: count,
  cut: count,
  cutRequests: z.array(foreign(300)),
  suggestedKillTimeoutMs: z.exactOptional(amount),
});

/** The module passes the other fields of a reply on without reading them; the command makes them safe for a terminal. */
const replies = z.discriminatedUnion('ok', [
  z.looseObject({ ok: z.literal(true), action: text(40), pid: pids, ms: amount }),
  z.object({
    ok: z.literal(false),
    action: text(40),
    code: matching(/^E_[A-Z_]+$/),
    message: z.string(),
    hint: z.string(),
  }),
]) as unknown as z.ZodMiniType<Reply>;

type Of<Kind> = Extract<AgentMessage, { kind: Kind }>;

const KINDS: { [Kind in AgentMessage['kind']]: z.ZodMiniType<Of<Kind>> } = {
  hello: fields<Of<'hello'>>({
    kind: z.literal('hello'),
    nonce: nonces,
    version: versions,
    pid: pids,
    ...standing,
    kept: z.array(actions),
    wrapper: z.boolean(),
    loadsDoor: z.exactOptional(z.literal(true)),
  }),
  knock: fields<Of<'knock'>>({ kind: z.literal('knock'), version: versions, pid: pids }),
  state: fields<Of<'state'>>({ kind: z.literal('state'), pid: pids, ...standing }),
  leaves: fields<Of<'leaves'>>({ kind: z.literal('leaves'), report: reports }),
  ask: fields<Of<'ask'>>({
    kind: z.literal('ask'),
    id: ids,
    pid: pids,
    action: actions,
    params: z.record(z.string(), z.union([z.boolean(), z.number()])),
    addressed: z.enum(['id', 'name', 'unknown']),
    heapUsed: amount,
  }),
  done: fields<Of<'done'>>({ kind: z.literal('done'), id: ids, pid: pids }),
  progress: fields<Of<'progress'>>({
    kind: z.literal('progress'),
    pid: pids,
    action: actions,
    nonce: z.exactOptional(nonces),
    progress: fields<Of<'progress'>['progress']>({
      phase: text(40),
      detail: z.exactOptional(foreign(300)),
      file: z.exactOptional(z.string().check(z.refine((given) => given.length <= 4096))),
    }),
  }),
  compress: fields<Of<'compress'>>({
    kind: z.literal('compress'),
    id: ids,
    pid: pids,
    from: z.string(),
    to: z.string(),
  }),
  'compress-end': fields<Of<'compress-end'>>({ kind: z.literal('compress-end'), id: ids, pid: pids, bytes: count }),
  echo: fields<Of<'echo'>>({ kind: z.literal('echo'), id: ids, pid: pids }),
  reply: fields<Of<'reply'>>({ kind: z.literal('reply'), nonce: nonces, reply: replies }),
  bye: fields<Of<'bye'>>({
    kind: z.literal('bye'),
    pid: pids,
    reason: text(300),
    forGood: z.optional(z.boolean()),
  }),
};

/** The name of the wrong field. It is a name of ours, because only declared fields are validated. */
function placeOf({ issues }: { issues: readonly { path: PropertyKey[] }[] }): string {
  const path = issues[0]?.path ?? [];
  return path[0] === undefined ? 'form' : String(path[0]);
}

/** Is a message within the limits? Stops counting at the limit, however large the message is. */
function isSmall(value: unknown): boolean {
  const open = [value];
  let values = 0;
  let characters = 0;
  for (let next = open.pop(); next !== undefined || open.length > 0; next = open.pop()) {
    values += 1;
    if (typeof next === 'string') characters += next.length;
    else if (typeof next === 'object' && next !== null) {
      for (const key in next) {
        characters += key.length;
        values += 1;
        if (values > MOST_VALUES || characters > MOST_CHARACTERS) return false;
        open.push((next as Record<string, unknown>)[key]);
      }
    }
    if (values > MOST_VALUES || characters > MOST_CHARACTERS) return false;
  }
  return true;
}
