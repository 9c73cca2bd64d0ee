// Is the new code good? The canary has to become ready, be healthy, and stay up for the settle time.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Instance } from '../../fleet/readiness.ts';
import type { Canary } from './canary.ts';
import type { ReloadContext } from './context.ts';
import { AT_ONCE_MS, LOOK_EVERY_MS } from './timing.ts';

/** Settles when the canary is proven. @throws {ReloadFailure} when it is not */
export async function proveCanary(context: ReloadContext, canary: Canary, instance: Instance): Promise<void> {
  const { request, lines, addresses, readiness, old } = context;
  const { health, settle } = request;
  const endsMs = instance.startedMs + request.timeout;
  const at = canary.requiredAddresses();
  const { attachment } = await readiness.untilReady(instance, { serves: addresses.serves(), at, endsMs });
  const where = at.length > 0 ? ` on ${at.join(', ')}` : '';
  lines.progress('canary', `ready after ${Math.round(performance.now() - instance.startedMs)} ms${where}`);
  if (attachment.is === 'skipped') {
    const by = at.length > 0 ? 'that connections come to it' : "PM2's word";
    lines.note(`the canary has no agent (${attachment.reason}): judged by ${by} and by staying up`);
  }
  if (health !== undefined) {
    await readiness.untilHealthy(instance, health, old.length + 1, endsMs);
    lines.progress('canary', `${health} is healthy`);
  }
  await settleDrained(context, instance, at);
  lines.progress('canary', `still up after ${settle} ms`);
}

/** Waits for the settle time. The canary is drained meanwhile: if it dies, it takes no client's request with it. */
async function settleDrained(context: ReloadContext, canary: Instance, at: string[]): Promise<void> {
  const { request, parts, addresses, readiness, drains, interruption } = context;
  const settledMs = performance.now() + request.settle;
  let isDrained = false;
  while (performance.now() < settledMs) {
    const member = readiness.requireUp(canary);
    if (!isDrained && addresses.serves() && member.attachment.is === 'attached') {
      isDrained = true;
      // It has all the time that idle clients may need: `resume` ends it when the settle time is over.
      void drains.drain(canary.pmId, { once: true });
    }
    interruption.checkpoint();
    await sleep(LOOK_EVERY_MS);
    await parts.refresh();
  }
  readiness.requireUp(canary);
  if (isDrained) await drains.resume(canary.pmId);
  await parts.refresh();
  readiness.requireUp(canary);
  // It may have closed its server meanwhile, or cannot listen again.
  await readiness.untilReady(canary, { serves: addresses.serves(), at, endsMs: performance.now() + AT_ONCE_MS });
}
