// `stack`: tells what a process executes right now.
import type { StackReply } from '../../../contract/commandMessages.ts';
import type { Failure } from '../../../contract/errors.ts';
import type { Attacher } from '../../attach/index.ts';
import type { Fleet } from '../../fleet/fleet.ts';
import { lookInto } from '../../operations/stack.ts';
import type { Target } from '../request.ts';

export interface StackParts {
  fleet: Fleet;
  attacher: Attacher;
  /** Reads PM2's list anew. */
  refresh(): Promise<void>;
}

export async function stack(
  { fleet, attacher, refresh }: StackParts,
  { target }: Target,
): Promise<StackReply | Failure> {
  await refresh();
  return lookInto(fleet, attacher, target);
}
