// What arrives under the command's topic, validated: every user of the daemon's socket can send the module anything.
import * as z from 'zod/mini';

const requests = z.object({
  nonce: z.string().check(z.regex(/^[\w-]{1,100}$/)),
  action: z.string().check(z.maxLength(1_000)),
  params: z.unknown(),
});

export type CommandRequest = z.output<typeof requests>;

/** @returns undefined when it is none: nothing can be answered then, because there is no nonce */
export function readCommandRequest(data: unknown): CommandRequest | undefined {
  return requests.safeParse(data).data;
}
