// What we owe to whom, on disk, so that a successor can settle it: a process once signalled is owed the closing of its
// inspector. Renamed into place as a whole. Not fsynced: it has to outlive this process, not the host, whose end takes
// all the processes in it along (and the boot id voids it).

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId, isAlive, type ProcessId } from '../../shared/linux/proc.ts';

/** A process that was signalled (or is about to be) and whose inspector is to be closed. */
export interface Debt extends ProcessId {
  /** Sockets it listened on before: none of them is the inspector. */
  inodes: string[];
  /** Its event loop's epoll descriptor, if known: whatever that watches is the app's, not the inspector. */
  loopFd: number | null;
}

interface Content {
  boot: string;
  owed: Debt[];
  /** Processes that got the only signal they may ever get. */
  signalledOnce: ProcessId[];
}

export class Journal {
  readonly path: string;
  private content: Content;

  constructor(private readonly stateDir: string) {
    this.path = join(stateDir, 'attach-journal.json');
    this.content = readJournal(this.path);
  }

  get owed(): readonly Debt[] {
    return this.content.owed;
  }

  debtOf(id: ProcessId): Debt | undefined {
    return this.content.owed.find((debt) => same(debt, id));
  }

  owe(debt: Debt): void {
    this.write({ ...this.content, owed: [...this.content.owed.filter((other) => !same(other, debt)), debt] });
  }

  settle(id: ProcessId): void {
    if (this.debtOf(id)) {
      this.write({ ...this.content, owed: this.content.owed.filter((debt) => !same(debt, id)) });
    }
  }

  wasSignalledOnce(id: ProcessId): boolean {
    return this.content.signalledOnce.some((other) => same(other, id));
  }

  rememberSignal({ pid, startTime }: ProcessId): void {
    const signalledOnce = [...this.content.signalledOnce.filter(isAlive), { pid, startTime }];
    this.write({ ...this.content, signalledOnce });
  }

  /** Throws when the disk refuses; what is in memory then stays as it was. */
  private write(content: Content): void {
    mkdirSync(this.stateDir, { recursive: true, mode: 0o700 });
    const partial = `${this.path}.partial`;
    writeFileSync(partial, JSON.stringify(content), { mode: 0o600 });
    renameSync(partial, this.path);
    this.content = content;
  }
}

export function same(a: ProcessId, b: ProcessId): boolean {
  return a.pid === b.pid && a.startTime === b.startTime;
}

/** An unreadable journal is an empty one. */
export function readJournal(path: string): Content {
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
