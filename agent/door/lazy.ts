// Hands the listening sockets of this process to the module, when it asks. Compiled on first use: most apps never are asked.
import { dirname } from 'node:path';
import { Refusal } from '../../contract/errors.ts';
import type { OwnSocket } from '../../drain/index.ts';
import { type Bindings, nodeBindings, type SocketHandle } from '../../shared/ipc/bindings.ts';
import { UV_TCP_REUSEPORT } from './addresses.ts';
import { createAsk } from './ask.ts';
import { type Door, wrapListening } from './listen.ts';
import { bindError } from './probe.ts';
import { doorOfProcess, setDoor } from './seat.ts';

export { openDoorItself } from './itself.ts';

/** @returns the addresses that the module holds now @throws {Refusal} why it holds none, or not all */
export async function handOver(path: string, sockets: readonly OwnSocket[]): Promise<string[]> {
  const bindings = nodeBindings();
  const pmId = Number(process.env.pm_id);
  if (!bindings || !Number.isSafeInteger(pmId)) {
    throw new Refusal(
      'E_STATE',
      `Node ${process.version} gives no way to pass sockets here`,
      'start it without --pending-deprecation and --permission',
    );
  }
  const ask = createAsk({ bindings, path, pmId, keepsAlive: false });
  const door = doorAt(dirname(path)) ?? ownDoor(bindings, path, pmId);
  for (const { at, handle } of sockets) {
    if (canBeShared(at, handle))
      throw new Refusal('E_STATE', `${at} shares its port by itself (reusePort)`, 'nothing to do');
    const answer = await ask({ ask: 'put', at, handle: true }, handle as SocketHandle);
    const why = typeof answer === 'string' ? 'the module does not answer' : answer.refused;
    if (why !== undefined) throw new Refusal('E_STATE', `${at} is not held: ${why}`, 'look at: pm2 logs pm2-ops');
    door.held([at]);
  }
  return sockets.map(({ at }) => at);
}

/** Takes our part of `listen` out again; that of a door that was loaded before the app stays. */
export function leaveDoor(): void {
  mine?.remove();
  if (mine !== undefined && doorOfProcess() === mine) setDoor(undefined);
  mine = undefined;
}

let mine: Door | undefined;

/** The door of this process, unless it asks another module: the app's environment names another PM2_HOME. */
function doorAt(folder: string): Door | undefined {
  const door = doorOfProcess();
  if (door?.itself === undefined || door.itself === folder) return door;
  door.remove();
  return undefined;
}

function ownDoor(bindings: Bindings, path: string, pmId: number): Door {
  const ask = createAsk({ bindings, path, pmId, keepsAlive: true });
  mine = wrapListening({ ask, folder: dirname(path), prepared: false, isUnsure: false });
  setDoor(mine);
  return mine;
}

/** Could another socket of this kind be bound beside it? One that is held would get connections that nobody takes. */
function canBeShared(at: string, handle: object): boolean {
  // libuv knows the flag from then on.
  if (Number(process.versions.node.split('.')[0]) < 22) return false;
  const known = shared.get(handle);
  if (known !== undefined) return known;
  const [, address = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(at) ?? [];
  const type = address.includes(':') ? 6 : 4;
  const isShared = bindError({ address, port: Number(port), type, flags: UV_TCP_REUSEPORT }) === 0;
  shared.set(handle, isShared);
  return isShared;
}

/** A socket stays as it was bound, so it is tried once. */
const shared = new WeakMap<object, boolean>();
