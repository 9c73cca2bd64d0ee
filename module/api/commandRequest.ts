// What the command asks, validated: whoever may use the daemon's socket can send the module anything.
import * as z from 'zod/mini';
import type { ReplQuestion, RunRequest } from '../../contract/commandMessages.ts';

const short = z.string().check(z.maxLength(1_000));

const requests = z.object({
  nonce: z.string().check(z.regex(/^[\w-]{1,100}$/)),
  action: short,
  params: z.unknown(),
});
const runs = z.object({ action: short, target: short, params: z.record(z.string(), z.unknown()) });
const replQuestions = z.object({ target: short, user: short, uid: z.int() });

export type CommandRequest = z.output<typeof requests>;

/** @returns undefined when it is none: there is nobody to answer then */
export function readCommandRequest(data: unknown): CommandRequest | undefined {
  return requests.safeParse(data).data;
}

export function readRun(params: unknown): RunRequest | undefined {
  return runs.safeParse(params).data;
}

export function readReplQuestion(params: unknown): ReplQuestion | undefined {
  return replQuestions.safeParse(params).data;
}
