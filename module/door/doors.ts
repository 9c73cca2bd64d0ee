// The door: the module holds the listening sockets of fork-mode processes, so that one that restarts finds its clients waiting
// in the kernel. What is held, for whom, and until when.
import { titleOf } from '../../contract/app.ts';
import { doorImport, isDoorImport } from '../../contract/door.ts';
import { Refusal } from '../../contract/errors.ts';
import { type PmId, slotOf } from '../../contract/pmId.ts';
import type { Settings } from '../../contract/settings.ts';
import type { ListenAddress } from '../../contract/standing.ts';
import type { SocketHandle } from '../../shared/ipc/bindings.ts';
import { addressOfHandle } from '../../shared/ipc/lines.ts';
import type { OptionsAtStart } from '../agents/optionsAtStart.ts';
import type { Services } from '../agents/services.ts';
import { isAttached } from '../fleet/attachment.ts';
import type { Member } from '../fleet/fleet.ts';
import type { ExitEvent } from '../pm2/exitEvent.ts';
import type { DoorHandlers } from './doorServer.ts';
import type { HeldSockets } from './heldSockets.ts';
import { createStarting } from './starting.ts';
import { isHoldable, TURN_DOOR_ON, whyNotHeld } from './whyNot.ts';

/** How long an agent may take to hand its sockets over, in milliseconds. */
const HANDED_OVER_WITHIN_MS = 5_000;
/** Pause between two looks at who uses what is held, as a part of the limit, and at most so many milliseconds. */
const LOOKS_IN_LIMIT = 6;
const LOOK_EVERY_MS = 5_000;
/** A reading of PM2's list that began before may show a process that restarts as stopped, for so many milliseconds. */
const LIST_LAGS_MS = 2_000;
/** Sockets of one process. */
const MOST_SOCKETS = 32;

export interface Doors {
  /** Why successors of this process cannot take over its sockets; undefined where they can. */
  whyNot(member: Member): string | undefined;
  /** Has the module hold the process's listening sockets. @returns the addresses held @throws {Refusal} */
  hold(member: Member): Promise<ListenAddress[]>;
  /** What is held for a process goes, unless its next starts take it over. */
  release(pmId: PmId): void;
  /**
   * A process that starts, or listens again, shares the sockets of this one.
   * @param pmId its id; one that is not known yet unless told
   * @returns the undo
   */
  expectBeside(model: PmId, pmId?: PmId): () => void;
  /** Node's options of a process, with our import added (once). */
  nodeArgs(listed: readonly string[]): string[];
  /** Do its next starts load the door? */
  isPrepared(member: Member): boolean;
  /** Addresses that are held for it. */
  held(pmId: PmId): string[];
}

export interface DoorParts extends Pick<Services, 'fleet' | 'calls' | 'events' | 'refresh' | 'log'> {
  settings: Pick<Settings, 'door' | 'door_seconds'>;
  sockets: HeldSockets;
  /** The module's Unix socket. */
  path: string;
  /** What prepared processes load. */
  file: string;
  /** Why the module can hold nothing at all. */
  broken: string | undefined;
  optionsAtStart: OptionsAtStart;
}

export interface OpenDoors extends Doors, DoorHandlers {
  exited(exit: ExitEvent): void;
  /** Closes every socket that is held. */
  close(): void;
}

export function createDoors(parts: DoorParts): OpenDoors {
  const { fleet, calls, events, refresh, log, settings, sockets, path, file, broken, optionsAtStart } = parts;
  const limitMs = settings.door_seconds * 1000;
  const starting = createStarting(fleet);
  /** By pid: who is being asked for its sockets, and why one could not hand them over. That one is not asked again. */
  const asked = new Set<number>();
  const refusals = new Map<number, string>();
  /** By id, in milliseconds of Date.now(): when a process last came here, and when one last ended. */
  const cameMs = new Map<number, number>();
  const endedMs = new Map<number, number>();
  /** By id: the pid of the last process whose app has loaded the door itself. */
  const itself = new Map<number, number>();
  const looking = setInterval(look, Math.min(LOOK_EVERY_MS, limitMs / LOOKS_IN_LIMIT));
  looking.unref();

  events.on('attached', ({ process: { pmId, pid } }) => {
    if (fleet.get(pmId)?.loadsDoor) itself.set(Number(pmId), pid);
    holdPrepared(pmId);
  });
  events.on('state', ({ process: { pmId, pid }, state }) => {
    if (state === 'drained') drained(Number(pmId), pid);
    else holdPrepared(pmId);
  });
  // Its part of the door goes with the agent, and nothing in the process could ask for what is held.
  events.on('attachment-lost', ({ process: { pmId } }) => {
    const member = fleet.get(pmId);
    if (member && !isPrepared(member)) drop(Number(pmId));
  });
  events.on('listed', forgetStopped);

  return {
    limitMs,
    whyNot,
    hold,
    release,
    expectBeside: starting.expectBeside,
    nodeArgs,
    isPrepared,
    held,
    take,
    put,
    leave,
    exited,
    close,
  };

  function whyNot(member: Member): string | undefined {
    if (settings.door === 'off') return `the setting door is off; to have it on: ${TURN_DOOR_ON}`;
    return broken ?? whyNotHeld(member, loadsItself(member)) ?? refusals.get(member.process.pid);
  }

  async function hold(member: Member): Promise<ListenAddress[]> {
    const { pmId, pid } = member.process;
    const why = whyNot(member);
    if (why !== undefined)
      throw new Refusal('E_STATE', `its sockets cannot be held: ${why}`, 'look at: pm2-ops doctor');
    if (missing(member).length > 0) {
      asked.add(pid);
      const reply = await calls.door(pmId, path, HANDED_OVER_WITHIN_MS).finally(() => asked.delete(pid));
      if (!reply.ok) throw new Refusal(reply.code, reply.message, reply.hint);
    }
    const now = held(pmId);
    const addresses = (member.addresses ?? []).filter(({ at }) => now.includes(at));
    if (addresses.length === 0)
      throw new Refusal(
        'E_NO_SERVER',
        'it has no TCP socket of its own that can be held',
        'look at: pm2-ops ops-status',
      );
    return addresses;
  }

  function release(pmId: PmId): void {
    const member = fleet.get(pmId);
    if (!member || !isPrepared(member)) drop(Number(pmId));
  }

  function nodeArgs(listed: readonly string[]): string[] {
    return [...listed.filter((each) => !isDoorImport(each)), doorImport(file)];
  }

  function isPrepared(member: Member): boolean {
    return loadsItself(member) || (member.process.nodeArgs ?? []).some(isDoorImport);
  }

  function loadsItself({ process: { pmId, pid } }: Member): boolean {
    return itself.get(Number(pmId)) === pid;
  }

  function held(pmId: PmId): string[] {
    return [...sockets.of(Number(pmId)).keys()];
  }

  function take(...[pmId, pid, starts]: Parameters<DoorHandlers['take']>): ReturnType<DoorHandlers['take']> {
    if (settings.door === 'off' || !starting.isOf(pmId, pid)) return undefined;
    cameMs.set(pmId, Date.now());
    if (starts === 'itself') itself.set(pmId, pid);
    else if (starts === 'prepared') itself.delete(pmId);
    const slot = held(pmId).length > 0 ? pmId : (starting.modelOf(pmId, pid) ?? pmId);
    sockets.given(slot, pid);
    const agent = starts && optionsAtStart(pmId, pid, starts === 'itself');
    return { held: sockets.of(slot), ...(agent === undefined ? {} : { agent }) };
  }

  function put(
    { pmId, pid, at, prepared }: Parameters<DoorHandlers['put']>[0],
    handle: SocketHandle,
  ): string | undefined {
    const refused = whyNotPut();
    if (refused === undefined) {
      cameMs.set(pmId, Date.now());
      sockets.put(pmId, at, handle, pid);
    } else handle.close();
    return refused;

    function whyNotPut(): string | undefined {
      if (settings.door === 'off') return 'the setting door is off';
      if (!starting.isOf(pmId, pid)) return 'it is no process of this PM2';
      if (!prepared && !asked.has(pid)) return 'nobody has asked for it';
      if (addressOfHandle(handle) !== at) return 'the socket is bound elsewhere';
      return held(pmId).length >= MOST_SOCKETS ? 'there are too many' : undefined;
    }
  }

  function leave(pmId: number, pid: number, at: readonly string[]): void {
    if (!starting.isOf(pmId, pid)) return;
    const unused = at.filter((each) => !sockets.isUsed(pmId, each, pid));
    drop(pmId, unused, 'its new process does not listen there');
  }

  /** A restart of PM2's has its successor start in a moment. Whatever else ends a process frees its port at once. */
  function exited({ pmId, status, createdMs, startedAt, nodeArgs: next, isFinal }: ExitEvent): void {
    const id = Number(slotOf(pmId));
    const known = starting.createdMs(id);
    starting.sawCreated(id, createdMs);
    if (held(id).length === 0) return;
    endedMs.set(id, Date.now());
    const isStopped = status === 'stopping' && known !== undefined && known === createdMs;
    if (isStopped || isFinal) drop(id);
    else if (!next.some(isDoorImport) && !itself.has(id))
      drop(id, undefined, 'PM2 starts it without the door: its options were replaced');
    // Something keeps the door out of it, and with the port held it would never start.
    else if ((cameMs.get(id) ?? 0) < startedAt) drop(id, undefined, 'it started without loading the door');
    else setTimeout(() => void refresh(), LIST_LAGS_MS).unref();
  }

  function forgetStopped(): void {
    for (const id of sockets.ids()) {
      const member = fleet.get(id);
      const quietMs = Date.now() - Math.max(endedMs.get(id) ?? 0, cameMs.get(id) ?? 0);
      const isGone = !member || (member.process.pid === 0 && ['stopped', 'errored'].includes(member.process.status));
      if (isGone && quietMs > LIST_LAGS_MS) drop(id);
    }
    for (const member of fleet.members()) {
      const { pmId, createdMs, status } = member.process;
      // While PM2 stops it, this is the one of its next start already.
      if (typeof pmId === 'number' && status !== 'stopping') starting.sawCreated(pmId, createdMs);
    }
  }

  /**
   * The last one is to refuse its clients, and not to have them wait for nobody. One that exits has a successor, or is stopped; one
   * that was drained for a canary or an extra instance has to get its socket back, should that die.
   */
  function drained(id: number, pid: number): void {
    if (fleet.get(id)?.exits || starting.isShared(id)) return;
    drop(
      id,
      held(id).filter((at) => !sockets.isUsed(id, at, pid)),
    );
  }

  function look(): void {
    for (const id of sockets.ids()) {
      const idle = held(id).filter((at) => !sockets.isUsed(id, at) && sockets.idleMs(id, at) >= limitMs);
      drop(id, idle, `nobody has listened there for ${settings.door_seconds} s`);
    }
  }

  function holdPrepared(pmId: PmId): void {
    const member = fleet.get(pmId);
    if (member?.state !== 'serving' || !isAttached(member) || !isPrepared(member)) return;
    const { pid } = member.process;
    if (missing(member).length === 0 || asked.has(pid) || whyNot(member) !== undefined) return;
    const running = new Set(fleet.members().map((each) => each.process.pid));
    for (const each of refusals.keys()) if (!running.has(each)) refusals.delete(each);
    hold(member).catch((error: Error) => {
      const isLate = error instanceof Refusal && error.code === 'E_TIMEOUT';
      if (!isLate) refusals.set(pid, error.message);
      log(`the sockets of id ${pmId} are not held: ${error.message}`);
    });
  }

  /** Where it listens and nothing is held for it. */
  function missing({ process: { pmId }, addresses = [] }: Member): string[] {
    const now = held(pmId);
    return addresses.filter((each) => isHoldable(each) && !now.includes(each.at)).map(({ at }) => at);
  }

  function drop(id: number, at?: readonly string[], why?: string): void {
    const dropped = at?.length === 0 ? [] : sockets.drop(id, at);
    if (dropped.length === 0 || why === undefined) return;
    const member = fleet.get(id);
    const name = member ? ` of ${titleOf(member.process)}` : '';
    log(`id ${id}${name}: ${dropped.join(', ')} is held no longer: ${why}`);
  }

  function close(): void {
    clearInterval(looking);
    for (const id of sockets.ids()) sockets.drop(id);
  }
}
