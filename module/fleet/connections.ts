// Does an instance take connections? In a cluster nothing shows where a worker without an agent listens, and processes that share
// a socket take turns as it happens; but when somebody connects often enough, each gets one, and /proc shows who has it.
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectedToUs, portsConnectedTo } from '../../shared/linux/sockets.ts';
import { reachable } from './health.ts';

/** How long a connection may take to be made and handed over, in milliseconds. */
const HANDED_OVER_MS = 300;

/**
 * Connects so many times, says nothing, and looks who has the other ends.
 * @param at `127.0.0.1:3000`
 * @returns false also for a socket's path, of which nothing can be seen
 */
export async function takesConnections(pid: number, at: string, times: number): Promise<boolean> {
  const [, host, port] = /^(.*):(\d+)$/.exec(at) ?? [];
  if (host === undefined || port === undefined) return false;
  const sockets: Socket[] = [];
  try {
    for (let count = 0; count < times; count++) {
      const socket = connect({ host: reachable(host), port: Number(port) });
      socket.on('error', () => {});
      sockets.push(socket);
    }
    const endsMs = performance.now() + HANDED_OVER_MS;
    while (performance.now() < endsMs) {
      if (isConnectedToUs(pid)) return true;
      await sleep(20);
    }
    return false;
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

/**
 * Connects so many times at once, and keeps a connection that has come to that process.
 * @returns undefined where all have come to others
 */
export async function connectionTo(pid: number, to: TcpNetConnectOpts, times: number): Promise<Socket | undefined> {
  const sockets = Array.from({ length: times }, () => connect(to).on('error', () => {}));
  let found: Socket | undefined;
  const endsMs = performance.now() + HANDED_OVER_MS;
  while (found === undefined && performance.now() < endsMs) {
    await sleep(20);
    const ports = portsConnectedTo(pid);
    found = sockets.find(({ localPort }) => localPort !== undefined && ports.has(localPort));
  }
  for (const socket of sockets) if (socket !== found) socket.destroy();
  return found;
}
