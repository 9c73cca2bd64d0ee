// Why a reload did not go through, and what to do next.
import type { ErrorCode, Failure } from '../../../contract/protocol.ts';

/** Ends a reload run; becomes its answer. */
export class ReloadFailure extends Error {
  /** The last lines of the instance that did not come up. */
  logs: string[] = [];

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

/** The answer to a reload that is not done. */
export function refused(code: ErrorCode, message: string, hint: string): Failure {
  return { ok: false, action: 'reload', code, message, hint };
}
