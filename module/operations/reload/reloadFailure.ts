// Why a reload did not go through, and what to do next.
import type { ErrorCode } from '../../../contract/protocol.ts';

export class ReloadFailure extends Error {
  /** The last lines that the instance wrote which did not come up. */
  logs: string[] = [];

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}
