// One door in a process: the one that was loaded before the app, or the agent's.
import { holderOf } from '../../drain/index.ts';
import type { Door } from './listen.ts';

const DOOR = Symbol.for('pm2-ops.door');

/** The door of this process, if it has one; whoever made it. */
export function doorOfProcess(): Door | undefined {
  return (holderOf(DOOR) as { [DOOR]?: Door })[DOOR];
}

export function setDoor(value: Door | undefined): void {
  const holder = holderOf(DOOR);
  if (value === undefined) Reflect.deleteProperty(holder, DOOR);
  else Object.defineProperty(holder, DOOR, { value, enumerable: false, configurable: true });
}
