// Finds an inspector that a process has open already.

import { type Idleness, idleness } from '../../shared/linux/idleness.ts';
import { expectedPort } from '../../shared/linux/nodeOptions.ts';
import { type Listener, listeners, type OwnListener } from '../../shared/linux/sockets.ts';
import { endpointOf, inspectorSockets } from './closing.ts';
import { isInspector } from './inspector.ts';

const ANSWER_MS = 1000;

/** Asks each listening socket of a process that does not seem to be its own server whether it is an inspector. */
export async function openInspectorOf(
  pid: number,
  { loopFd, certain }: Pick<Idleness, 'loopFd' | 'certain'> = idleness(pid),
  listening: readonly Listener[] = listeners(pid),
): Promise<OwnListener | null> {
  const sockets = inspectorSockets({ pid, inodes: [], loopFd }, listening);
  // If /proc does not tell for certain which sockets the event loop watches, any server of the app may look like an inspector.
  // Then only the likely port is asked.
  const likely = certain ? sockets : sockets.filter(({ port }) => port === expectedPort(pid));
  for (const socket of likely) {
    if (await isInspector(endpointOf(socket), ANSWER_MS)) return socket;
  }
  return null;
}
