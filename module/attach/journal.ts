// The journal of pending closes: which processes were signalled and still have an inspector to be closed, on disk, so that
// the module's successor closes it. Renamed into place as a whole. Not fsynced: it has to outlive this process, and not the
// host, whose end takes all the processes in it along (the boot id voids it then).

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { wasToldToInspect } from '../../shared/linux/nodeOptions.ts';
import { bootId, isAlive, type ProcessId } from '../../shared/linux/proc.ts';

/** A process that was signalled (or is about to be) and whose inspector is to be closed. */
export interface PendingClose extends ProcessId {
  /** Sockets it listened on before: none of them is the inspector. */
  inodes: string[];
  /** Its event loop's epoll descriptor, if known. The sockets that it watches are the app's; the inspector's is not. */
  loopFd: number | null;
}

/** As it is on disk. A module of an earlier or a later version reads it: its names do not change. */
interface Content {
  boot: string;
  /** The pending closes. */
  owed: PendingClose[];
  /** Processes that got the only signal they may ever get. */
  signalledOnce: ProcessId[];
}

/** The journal of one module. Its writes throw when the disk refuses; what is in memory then stays as it was. */
export class Journal {
  readonly path: string;
  readonly #stateDir: string;
  #content: Content;

  constructor(stateDir: string) {
    this.#stateDir = stateDir;
    this.path = join(stateDir, 'attach-journal.json');
    this.#content = readContent(this.path);
  }

  get pending(): readonly PendingClose[] {
    return this.#content.owed;
  }

  has(id: ProcessId): boolean {
    return this.pending.some((pending) => same(pending, id));
  }

  add(pending: PendingClose): void {
    this.#write({ owed: [...this.pending.filter((other) => !same(other, pending)), pending] });
  }

  remove(id: ProcessId): void {
    if (this.has(id)) this.#write({ owed: this.pending.filter((pending) => !same(pending, id)) });
  }

  wasSignalledOnce(id: ProcessId): boolean {
    return this.#content.signalledOnce.some((other) => same(other, id));
  }

  rememberSignal({ pid, startTime }: ProcessId): void {
    this.#write({ signalledOnce: [...this.#content.signalledOnce.filter(isAlive), { pid, startTime }] });
  }

  #write(changes: Partial<Content>): void {
    const content = { ...this.#content, ...changes };
    mkdirSync(this.#stateDir, { recursive: true, mode: 0o700 });
    const partial = `${this.path}.partial`;
    writeFileSync(partial, JSON.stringify(content), { mode: 0o600 });
    renameSync(partial, this.path);
    this.#content = content;
  }
}

/** Is it the same process, and not a later one with its pid? */
export function same(a: ProcessId, b: ProcessId): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** The pending closes in a journal's file. */
export function readPending(path: string): readonly PendingClose[] {
  return readContent(path).owed;
}

/**
 * The pending closes of the cluster workers of a process that had none when it was signalled: they may have got the signal,
 * too. An inspector that a worker was started with is not ours to close.
 */
export function pendingOfWorkers(pid: number): PendingClose[] {
  return clusterWorkersOf(pid)
    .filter((worker) => !wasToldToInspect(worker.pid))
    .map((worker) => ({ ...worker, inodes: [], loopFd: null }));
}

/** An unreadable journal is an empty one. */
function readContent(path: string): Content {
  const boot = bootId();
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Partial<Content>;
    if (content.boot === boot) {
      return { boot, owed: content.owed ?? [], signalledOnce: (content.signalledOnce ?? []).filter(isAlive) };
    }
  } catch {
    // None yet, or not ours.
  }
  return { boot, owed: [], signalledOnce: [] };
}
