// How a reply that says no reads.
import type { Failure } from '../contract/errors.ts';
import { printable } from '../shared/text/printable.ts';

/** What happened, and what to do next: a line each. @param who it is about, if it is one of several */
export function failureText({ message, code, hint }: Omit<Failure, 'ok' | 'action'>, who = ''): string {
  return `pm2-ops: ${who}${printable(message)} (${printable(code)})\n${printable(hint)}`;
}
