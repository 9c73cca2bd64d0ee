// The words for a reply that says no.
import type { Failure } from '../contract/errors.ts';
import { printable } from '../shared/text/printable.ts';

/** A line about what happened, and one about what to do next. @param who the process, if it is one of several */
export function failureText({ message, code, hint }: Omit<Failure, 'ok' | 'action'>, who = ''): string {
  return `pm2-ops: ${who}${printable(message)} (${printable(code)})\n${printable(hint)}`;
}
