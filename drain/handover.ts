// In a cluster, the primary accepts connections and passes each one on in a message. A connection that it sent before it knew that
// we listen no longer is still on its way. If the process exited before it arrives, its client would wait in vain.

import cluster from 'node:cluster';
import { guarded } from '../shared/guard.ts';

/** A text, because Node numbers its own questions (lib/internal/cluster/utils.js). */
const QUESTION = 'pm2-ops.handover';

interface Answer {
  cmd?: string;
  ack?: unknown;
}

/**
 * Resolves when everything has arrived that the cluster's primary sent before it read our latest message. Node returns a
 * connection for a server that has stopped listening to the primary, which passes it on to a sibling. The question is the one
 * that `worker.disconnect()` asks (lib/internal/cluster/child.js, `_disconnect`). Only a process that is about to exit may ask it,
 * because the primary then sets `exitedAfterDisconnect`. Resolves at once outside a cluster, and if the primary is gone. Never
 * rejects.
 */
export async function untilHandedOver(): Promise<void> {
  if (!cluster.isWorker || !process.connected || process.send === undefined) return;
  const channel = process as NodeJS.EventEmitter;
  let onMessage: (message: Answer) => void = () => {};
  let onGone: () => void = () => {};
  await new Promise<void>((resolve) => {
    onGone = resolve;
    onMessage = guarded(({ cmd, ack }) => {
      if (cmd === 'NODE_CLUSTER' && ack === QUESTION) resolve();
    });
    channel.on('internalMessage', onMessage).once('disconnect', onGone);
    const question = { cmd: 'NODE_CLUSTER', act: 'exitedAfterDisconnect', seq: QUESTION };
    try {
      process.send?.(question, undefined, undefined, (error) => error && resolve());
    } catch {
      resolve();
    }
  });
  channel.off('internalMessage', onMessage).off('disconnect', onGone);
}
