// Why a reload did not go through, and what to do next.
import type { ErrorCode, Failure } from '../../../contract/errors.ts';
import { Refusal } from '../../../contract/errors.ts';

/** Ends a reload run; becomes its answer. */
export class ReloadFailure extends Refusal {
  /** The last lines of the instance that did not come up. */
  logs: string[] = [];

  /** For whatever was thrown in a run; what is no refusal is a fault of ours. */
  static of(thrown: unknown): ReloadFailure {
    if (thrown instanceof ReloadFailure) return thrown;
    if (thrown instanceof Refusal) return new ReloadFailure(thrown.code, thrown.message, thrown.hint);
    return new ReloadFailure('E_INTERNAL', (thrown as Error).message, 'look at: pm2 logs pm2-ops');
  }
}

/** The answer to a reload that is not done. */
export function refused(code: ErrorCode, message: string, hint: string): Failure {
  return { ok: false, action: 'reload', code, message, hint };
}
