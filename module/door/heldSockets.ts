// The listening sockets that the module holds, by PM2's id of their process. The kernel says which of them are in use.
import { fstatSync } from 'node:fs';
import type { SocketHandle } from '../../shared/ipc/bindings.ts';
import { hasOpen, ownSockets } from '../../shared/linux/sockets.ts';

interface Held {
  handle: SocketHandle;
  inode: string;
  /** Processes that have it, with the descriptor by which they were seen to; without one they have not been looked at yet. */
  users: Map<number, number | undefined>;
  /** When it was last seen in use, in milliseconds of performance.now(). */
  usedMs: number;
}

export interface HeldSockets {
  /** Takes over a socket that a process listens on. */
  put(pmId: number, at: string, handle: SocketHandle, pid: number): void;
  /** By address. */
  of(pmId: number): Map<string, SocketHandle>;
  ids(): number[];
  /** A process has been given these. */
  given(pmId: number, pid: number): void;
  /** Does a process have it open? @param except one that does not count */
  isUsed(pmId: number, at: string, except?: number): boolean;
  /** For how many milliseconds nobody has had it, as far as was looked. */
  idleMs(pmId: number, at: string): number;
  /** Closes them. @param at all of them without it @returns those that were held */
  drop(pmId: number, at?: readonly string[]): string[];
}

export function createHeldSockets(): HeldSockets {
  const slots = new Map<number, Map<string, Held>>();
  const find = (pmId: number, at: string) => slots.get(pmId)?.get(at);

  return {
    put(pmId, at, handle, pid) {
      const inode = inodeOf(handle);
      const before = find(pmId, at);
      const users = before?.inode === inode ? before.users : new Map<number, number | undefined>();
      before?.handle.close();
      const slot = slots.get(pmId) ?? new Map<string, Held>();
      slots.set(pmId, slot.set(at, { handle, inode, users: users.set(pid, undefined), usedMs: performance.now() }));
    },
    of: (pmId) => new Map([...(slots.get(pmId) ?? [])].map(([at, { handle }]) => [at, handle])),
    ids: () => [...slots.keys()],
    given(pmId, pid) {
      for (const held of slots.get(pmId)?.values() ?? []) held.users.set(pid, undefined);
    },
    isUsed(pmId, at, except) {
      const held = find(pmId, at);
      if (!held) return false;
      const users = [...held.users.keys()].filter((pid) => isOpenIn(held, pid));
      if (users.length > 0) held.usedMs = performance.now();
      return users.some((pid) => pid !== except);
    },
    idleMs(pmId, at) {
      const held = find(pmId, at);
      return held ? performance.now() - held.usedMs : 0;
    },
    drop(pmId, at) {
      const slot = slots.get(pmId);
      const dropped = [...(slot?.keys() ?? [])].filter((each) => !at || at.includes(each));
      for (const each of dropped) {
        slot?.get(each)?.handle.close();
        slot?.delete(each);
      }
      if (slot?.size === 0) slots.delete(pmId);
      return dropped;
    },
  };
}

/** Forgets a process that has it no longer. */
function isOpenIn(held: Held, pid: number): boolean {
  const { inode, users } = held;
  const known = users.get(pid);
  if (known !== undefined && hasOpen(pid, { fd: known, inode })) return true;
  const fd = ownSockets(pid, new Set([inode]))?.get(inode);
  if (fd === undefined) users.delete(pid);
  else users.set(pid, fd);
  return fd !== undefined;
}

function inodeOf({ fd }: SocketHandle): string {
  return String(fstatSync(fd).ino);
}
