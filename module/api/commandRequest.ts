// Validates what arrives under the command's topic: a program that can open the daemon's socket can send the module anything.
import * as z from 'zod/mini';

const requests = z.object({
  nonce: z.string().check(z.regex(/^[\w-]{1,100}$/)),
  action: z.string().check(z.maxLength(1_000)),
  params: z.unknown(),
});

export type CommandRequest = z.output<typeof requests>;

/** @returns undefined if it is no request; without a nonce the module cannot answer it */
export function readCommandRequest(data: unknown): CommandRequest | undefined {
  return requests.safeParse(data).data;
}
