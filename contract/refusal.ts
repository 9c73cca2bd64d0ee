// Why an action was not done: thrown anywhere inside an action, and turned into the reply of the contract at its edge.

import { redact } from '../shared/text/redact.ts';
import type { ErrorCode, Failure } from './protocol.ts';

/** An action that will not be done, with a stable code, what happened (with figures), and what to do next. */
export class Refusal extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint: string) {
    super(message);
    this.name = 'Refusal';
    this.code = code;
    this.hint = hint;
  }
}

/** The contract's failure, without what looks like a secret, for whatever was thrown; what is no Refusal is a fault of ours (`E_INTERNAL`). */
export function failureOf(action: string, thrown: unknown): Failure {
  if (thrown instanceof Refusal) {
    return { ok: false, action, code: thrown.code, message: redact(thrown.message), hint: redact(thrown.hint) };
  }
  // Not `instanceof Error`: what Node throws is of the app's realm.
  const { message: words } = (thrown ?? {}) as { message?: unknown };
  const message = typeof words === 'string' ? words : String(thrown);
  return {
    ok: false,
    action,
    code: 'E_INTERNAL',
    message: `pm2-ops itself failed: ${redact(message)}`,
    hint: 'the app was left as it is; please report this with the output of: pm2 trigger pm2-ops status',
  };
}
