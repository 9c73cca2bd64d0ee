// Processes of the app that PM2 does not list: the outgoing ones of a reload of PM2, or what one has left behind. A run begins
// when none is there, and says so where one stays after it.
import { setTimeout as sleep } from 'node:timers/promises';
import { findUnlisted } from '../../pm2/unlisted.ts';
import type { ReloadContext } from './context.ts';
import { ReloadFailure } from './reloadFailure.ts';
import { LOOK_EVERY_MS, OTHERS_END_WITHIN_MS } from './timing.ts';

/** Waits for a reload of PM2 that has not finished yet. @throws {ReloadFailure} where it does not finish */
export async function othersAreDone(context: ReloadContext): Promise<void> {
  const left = await untilNoneUnlisted(context, OTHERS_END_WITHIN_MS);
  if (left.length === 0) return;
  throw new ReloadFailure(
    'E_STATE',
    `pid ${left.join(', ')} belongs to ${context.title} but PM2 does not list it: another reload runs, or has left it behind`,
    `wait for that reload; if there is none: kill ${left.join(' ')}`,
  );
}

/** Waits until the replaced processes have ended, and notes those that have not. */
export async function nothingIsLeft(context: ReloadContext): Promise<void> {
  const { parts, old, lines } = context;
  const killTimeoutMs = Math.max(0, ...old.map(({ pmId }) => parts.fleet.get(pmId)?.process.killTimeoutMs ?? 0));
  const left = await untilNoneUnlisted(context, killTimeoutMs + OTHERS_END_WITHIN_MS);
  if (left.length > 0)
    lines.note(`pid ${left.join(', ')} still runs and PM2 does not list it; end it: kill ${left.join(' ')}`);
}

async function untilNoneUnlisted({ parts, app }: ReloadContext, withinMs: number): Promise<number[]> {
  const endsMs = performance.now() + withinMs;
  for (;;) {
    await parts.refresh();
    const listed = new Set(parts.fleet.members().map((member) => member.process.pid));
    const left = findUnlisted(app, listed);
    if (left.length === 0 || performance.now() > endsMs) return left;
    await sleep(LOOK_EVERY_MS);
  }
}
