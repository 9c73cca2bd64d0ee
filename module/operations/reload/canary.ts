// The canary: one instance with the new code beside the old ones. It starts, and it goes again unless clients need it.

import type { PmId } from '../../../contract/pmId.ts';
import { list } from '../../fleet/cover.ts';
import type { Member } from '../../fleet/fleet.ts';
import type { Instance } from '../../fleet/readiness.ts';
import { removeInstance, startInstance } from '../startInstance.ts';
import type { ReloadContext } from './context.ts';
import { instancesOf } from './formerAddresses.ts';
import { ReloadFailure } from './reloadFailure.ts';

/** The canary of one run; there is at most one at a time. */
export interface Canary {
  current(): Instance | undefined;
  /** Is the canary a copy of this instance? */
  isCopyOf(pmId: PmId): boolean;
  /** Where the canary has to listen, so that it can take over for the instance of which it is a copy. */
  requiredAddresses(): string[];
  /** @throws {ReloadFailure} when PM2 does not start one */
  start(model: Member, number: 'same' | 'next'): Promise<Instance>;
  /** Drains and deletes the canary; it stays where clients would be refused without it. */
  remove(): Promise<void>;
  /** The canary becomes an instance of the app like any other. */
  keep(): void;
  /** Why the canary could not go. */
  whyItStays(pmId: PmId): ReloadFailure;
  /** Deletes any instance, and notes where that fails. */
  removeFromList(pmId: PmId): Promise<void>;
}

/** Nothing is started yet. */
export function createCanary(context: ReloadContext): Canary {
  const { parts, request, app, lines, addresses, sockets, drains, journal, successors } = context;
  let canary: Instance | undefined;
  let modelId: PmId | undefined;
  return {
    current: () => canary,
    isCopyOf: (pmId) => modelId === pmId,
    requiredAddresses: () => (modelId === undefined ? [] : addresses.requiredBeside(modelId)),
    start,
    remove,
    keep() {
      canary = undefined;
    },
    whyItStays,
    removeFromList,
  };

  async function start(model: Member, number: 'same' | 'next'): Promise<Instance> {
    const known = new Set(instancesOf(parts.fleet, app).map(({ process: listed }) => listed.pmId));
    modelId = model.process.pmId;
    const startedMs = performance.now();
    sockets.passOnTo(modelId);
    // No checkpoint meanwhile: a canary that starts unknown to the run would be left behind.
    const started = await startInstance(parts, {
      model: modelId,
      changes: { env: request.env, nodeArgs: sockets.nodeArgsOf(modelId) },
      number,
      find: () => instancesOf(parts.fleet, app).find(({ process: listed }) => !known.has(listed.pmId))?.process.pmId,
      withinMs: request.timeout,
    });
    if (started.is === 'refused') {
      throw new ReloadFailure('E_STATE', `PM2 did not start a canary: ${started.message}`, 'see: pm2 logs');
    }
    if (started.is === 'late') {
      throw new ReloadFailure('E_TIMEOUT', 'PM2 started no canary', 'look at: ~/.pm2/pm2.log');
    }
    canary = { pmId: started.pmId, pid: 0, restarts: 0, startedMs };
    journal.write(canary.pmId);
    lines.progress('canary', `started as id ${canary.pmId}, with the new code`);
    return canary;
  }

  async function remove(): Promise<void> {
    if (!canary) return;
    const { pmId } = canary;
    if (parts.fleet.get(pmId)?.attachment.is === 'attached') {
      const drain = await drains.drain(pmId);
      if (!drain.ok && drain.code === 'E_LAST') {
        // Only a proven canary has clients. Addresses that no old instance had go with it.
        const isNeeded = successors.includes(canary) && addresses.aloneAt(pmId, modelId).length > 0;
        if (isNeeded && !request.force) {
          lines.note(whyItStays(pmId).message);
          return;
        }
        await drains.drain(pmId, { once: true, force: true });
      }
    }
    await removeFromList(pmId);
    canary = undefined;
  }

  function whyItStays(pmId: PmId): ReloadFailure {
    const at = list(parts.fleet.get(pmId)?.addresses ?? []);
    const message = `the canary (id ${pmId}) stays: nobody else listens on ${at}`;
    return new ReloadFailure('E_LAST', message, `look with: pm2-ops status, then: pm2 delete ${pmId}`);
  }

  async function removeFromList(pmId: PmId): Promise<void> {
    const isGone = await removeInstance(parts, pmId);
    if (!isGone) lines.note(`id ${pmId} could not be deleted; do it: pm2 delete ${pmId}`);
  }
}
