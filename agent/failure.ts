// Turns what an action threw into its reply.
import { type Failure, Refusal } from '../contract/errors.ts';
import { redact } from '../shared/text/redact.ts';

/** The failure of an action; redacts what looks like a secret. An error that is no `Refusal` is a bug of ours (`E_INTERNAL`). */
export function failureOf(action: string, thrown: unknown): Failure {
  if (thrown instanceof Refusal) {
    return { ok: false, action, code: thrown.code, message: redact(thrown.message), hint: redact(thrown.hint) };
  }
  // Not `instanceof Error`, because Node's errors belong to the app's realm.
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
