// Finds out whether an instance takes connections. In a cluster, /proc does not show where a worker without an agent listens, and
// any of the processes that share a socket may take a connection. But with enough connections each process gets one, and /proc
// shows which process has it.
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectedToUs, portsConnectedTo } from '../../shared/linux/sockets.ts';
import { reachable } from './health.ts';

/** How long it may take to connect and to pass the connection on to a worker. */
const HANDED_OVER_MS = 300;

/**
 * Connects several times, sends nothing, and looks for the other ends in the process.
 * @param at `127.0.0.1:3000`
 * @param times how many connections to make
 * @returns false also for a socket's path, because /proc does not show its connections
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
 * Connects several times at once, and keeps a connection that this process has taken.
 * @param times how many connections to make
 * @returns undefined if other processes have taken all
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
