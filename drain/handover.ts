// In a cluster the primary accepts, and hands each connection over in a message. One that it sent before it heard that
// we listen no more is still on its way; if the process exits before it is here, it is lost, and its client waits in vain.

import cluster from 'node:cluster';
import { guarded } from '../shared/guard.ts';

/** Ours, so that it cannot be one of the numbers that Node gives its own questions (lib/internal/cluster/utils.js). */
const QUESTION = 'pm2-ops.handover';

interface Answer {
  cmd?: string;
  ack?: unknown;
}

/**
 * Resolves when all has arrived that the cluster's primary sent before it read our latest message; Node gives a connection that
 * comes to a server which has stopped listening back to the primary, which hands it to a sibling. The question is the one that
 * `worker.disconnect()` asks before it exits (lib/internal/cluster/child.js, `_disconnect`), so only a process that is about to
 * exit may ask: the primary notes it as `exitedAfterDisconnect`. Resolves at once outside a cluster, and where the
 * primary is gone; never rejects.
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
