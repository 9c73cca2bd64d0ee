// The journal of pending closes on disk: which signalled processes still have an inspector to close, for the module's successor.
// A rename replaces it as a whole. No fsync is needed: it has to survive this process, but not the host, because no process in it
// survives that either (the boot id then voids it).

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterWorkersOf } from '../../shared/linux/clusterWorkers.ts';
import { wasToldToInspect } from '../../shared/linux/nodeOptions.ts';
import { bootId, isAlive, type ProcessId } from '../../shared/linux/proc.ts';

/** A process that was or is about to be signalled, and whose inspector has to be closed. */
export interface PendingClose extends ProcessId {
  /** The sockets that it listened on before the signal: none of them is the inspector. */
  inodes: string[];
  /** Its event loop's epoll descriptor, if known. The loop watches the app's sockets, but not the inspector's. */
  loopFd: number | null;
}

/** The journal's file. Modules of other versions read it, so its names must not change. */
interface Content {
  boot: string;
  /** The pending closes. */
  owed: PendingClose[];
  /** Processes that have got the only signal that they may get. */
  signalledOnce: ProcessId[];
}

/** The journal of one module. A write throws if the disk refuses, and then changes nothing in memory either. */
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

/** Are these the same process, and not two that have had the same pid? */
export function same(a: ProcessId, b: ProcessId): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** The pending closes in a journal's file. */
export function readPending(path: string): readonly PendingClose[] {
  return readContent(path).owed;
}

/**
 * The pending closes of a process's cluster workers. The process had none before the signal and may have passed it on to them.
 * Leaves out workers that were started with an inspector, which is not ours to close.
 */
export function pendingOfWorkers(pid: number): PendingClose[] {
  return clusterWorkersOf(pid)
    .filter((worker) => !wasToldToInspect(worker.pid))
    .map((worker) => ({ ...worker, inodes: [], loopFd: null }));
}

/** An unreadable journal counts as empty. */
function readContent(path: string): Content {
  const boot = bootId();
  try {
    const content = JSON.parse(readFileSync(path, 'utf8')) as Partial<Content>;
    if (content.boot === boot) {
      return { boot, owed: content.owed ?? [], signalledOnce: (content.signalledOnce ?? []).filter(isAlive) };
    }
  } catch {
    // There is none yet, or it is not ours.
  }
  return { boot, owed: [], signalledOnce: [] };
}
