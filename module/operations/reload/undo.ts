// Undoes a run that failed: no canary stays behind, and drained instances serve again.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReloadRefused } from '../../../contract/commandMessages.ts';
import type { Canary } from './canary.ts';
import type { ReloadContext } from './context.ts';
import type { KeepAlive } from './keepAlive.ts';
import { ReloadFailure, refused } from './reloadFailure.ts';
import { LOOK_EVERY_MS } from './timing.ts';

/** Settles in any case. @returns the answer to the reload */
export async function undo(
  context: ReloadContext,
  canary: Canary,
  keepAlive: KeepAlive,
  error: unknown,
): Promise<ReloadRefused> {
  const { parts, lines, drains, old, replaced, title } = context;
  const failure = ReloadFailure.of(error);
  lines.progress('failed', failure.message);
  // The last lines of the instance may still be on their way.
  await sleep(LOOK_EVERY_MS);
  try {
    for (const pmId of drains.drained) await drains.resume(pmId);
    await keepAlive.giveBack();
    await removeCanary(context, canary, failure);
  } catch (trouble) {
    lines.note(`not all could be undone: ${(trouble as Error).message}`);
  }
  await parts.refresh();
  const serving = old.filter(({ pmId, pid }) => parts.fleet.get(pmId)?.process.pid === pid).length;
  lines.note(`of ${old.length} instance(s) ${serving} serve(s) on as before, ${replaced.length} replaced`);
  return {
    ...refused(failure.code, failure.message, failure.hint),
    app: title,
    replaced,
    notes: lines.notes,
    logs: failure.logs,
  };
}

async function removeCanary({ lines, lastLines }: ReloadContext, canary: Canary, failure: ReloadFailure) {
  const instance = canary.current();
  if (!instance) return;
  if (failure.logs.length === 0) failure.logs = lastLines.of(instance.pmId, failure.code === 'E_STATE');
  lines.progress('undo', `the canary (id ${instance.pmId}) goes`);
  await canary.remove();
}
