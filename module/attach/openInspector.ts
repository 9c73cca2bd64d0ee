// The inspector that a process has open without us, if any.

import { type Idleness, idleness } from '../../shared/linux/idleness.ts';
import { expectedPort } from '../../shared/linux/nodeOptions.ts';
import { type Listener, listeners, type OwnListener } from '../../shared/linux/sockets.ts';
import { endpointOf, inspectorSockets } from './closing.ts';
import { isInspector } from './inspector.ts';

const ANSWER_MS = 1000;

/** Asks what listens in a process, and is none of its own servers as far as can be told, whether it is an inspector. */
export async function openInspectorOf(
  pid: number,
  { loopFd, certain }: Pick<Idleness, 'loopFd' | 'certain'> = idleness(pid),
  listening: readonly Listener[] = listeners(pid),
): Promise<OwnListener | null> {
  const sockets = inspectorSockets({ pid, inodes: [], loopFd }, listening);
  // Without knowing for certain what its event loop watches, any server of the app looks like an inspector: only the
  // likely port is asked.
  const likely = certain ? sockets : sockets.filter(({ port }) => port === expectedPort(pid));
  for (const socket of likely) {
    if (await isInspector(endpointOf(socket), ANSWER_MS)) return socket;
  }
  return null;
}
