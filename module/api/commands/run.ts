// `run`: an action of managed processes, such as a heap dump.
import type { RunProgress, RunReply, RunRequest } from '../../../contract/commandMessages.ts';
import type { Failure } from '../../../contract/errors.ts';
import type { ActionRuns } from '../../operations/actionRuns.ts';

export interface RunCommandParts {
  runs: ActionRuns;
}

export function run(
  { runs }: RunCommandParts,
  request: RunRequest,
  onProgress: (progress: RunProgress) => void,
): Promise<RunReply | Failure> {
  return runs.run(request, onProgress);
}
