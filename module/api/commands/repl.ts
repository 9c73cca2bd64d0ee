// `repl`: opens a REPL in a process.
import type { ReplOpened, ReplQuestion } from '../../../contract/commandMessages.ts';
import type { Failure } from '../../../contract/errors.ts';
import { openRepl, type ReplParts } from '../../operations/repl.ts';

export interface ReplCommandParts {
  replParts: ReplParts;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

export async function repl(
  { replParts, refresh }: ReplCommandParts,
  question: ReplQuestion,
): Promise<ReplOpened | Failure> {
  await refresh();
  return openRepl(replParts, question);
}
