// A heap snapshot of this process, taken while its siblings serve its clients.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import type { MemoryCeiling } from '../../diagnostics/headroom.ts';
import { checkHeadroom, writeHeapSnapshot } from '../../diagnostics/heapSnapshot.ts';
import type { Actions } from '../context.ts';
import { outOfService } from './outOfService.ts';
import { storeOf } from './store.ts';

export const heapdump: Actions['heapdump'] = async (params, context) => {
  const { options, moduleClient, progress } = context;
  const store = storeOf(options);
  const headroom = { force: params.force, ...ceilingOf(options) };
  checkHeadroom(store, headroom);
  const grant = await moduleClient.ask('heapdump', params, context.addressed);
  if ('skip' in grant) return { skipped: true, reason: grant.skip };
  try {
    // Checks again, because this instance may have waited for its siblings' dumps.
    checkHeadroom(store, headroom);
    return await outOfService(grant, params.timeout, context, (serveAgain, unseen) =>
      writeHeapSnapshot(store, {
        gzip: params.gzip,
        compressor: moduleClient.compress,
        lowPriority: unseen,
        progress,
        onWritten: serveAgain,
      }),
    );
  } finally {
    grant.done();
  }
};

function ceilingOf({ maxMemoryRestart }: AgentOptions): { ceiling?: MemoryCeiling } {
  if (maxMemoryRestart <= 0) return {};
  const rule = 'PM2 restarts it above max_memory_restart';
  return { ceiling: { bytes: maxMemoryRestart, rule, setting: 'max_memory_restart' } };
}
