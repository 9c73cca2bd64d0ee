// Finds out whether an instance takes connections. In a cluster, /proc does not show where a worker without an agent listens, and
// any of the processes that share a socket may take a connection. But with enough connections each process gets one, and /proc
// shows which process has it.
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { isConnectedToUs, portsConnectedTo } from '../../shared/linux/sockets.ts';
import { reachable } from './health.ts';

/** How long it may take to connect and to pass the connection on to a worker. */
const HANDED_OVER_MS = 300;
/** How long one connection may take, and the pause in which a process takes it. */
const CONNECTED_WITHIN_MS = 1_000;
const ACCEPTED_MS = 2;
/** How often to look for who has them, and the pause before each look. */
const LOOKS = 3;
const LOOK_EVERY_MS = 20;

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
 * Connects several times and keeps a connection that this process has taken. One after the other, because of connections that
 * come at once one process takes all.
 * @param times how many connections to make
 * @returns undefined if other processes have taken all
 */
export async function connectionTo(pid: number, to: TcpNetConnectOpts, times: number): Promise<Socket | undefined> {
  const sockets: Socket[] = [];
  for (let count = 0; count < times; count++) {
    const socket = connect(to).on('error', () => {});
    sockets.push(socket);
    await Promise.race([isOpen(socket), sleep(CONNECTED_WITHIN_MS)]);
    await sleep(ACCEPTED_MS);
  }
  let found: Socket | undefined;
  // On a host with tens of thousands of connections a look takes longer than the pause.
  for (let looks = 0; looks < LOOKS && found === undefined; looks++) {
    await sleep(LOOK_EVERY_MS);
    const ports = portsConnectedTo(pid);
    found = sockets.find(({ localPort }) => localPort !== undefined && ports.has(localPort));
  }
  for (const socket of sockets) if (socket !== found) socket.destroy();
  return found;
}

/** Settles when it is connected, or cannot be. */
function isOpen(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    for (const event of ['connect', 'close']) socket.once(event, () => resolve());
  });
}
