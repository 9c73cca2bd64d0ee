// The module's side of the guard: starts the guard with the first signal of a batch, tells it every pending close, and
// dismisses it when it is idle.

import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { readLink } from '../../shared/linux/proc.ts';
import type { PendingClose } from './journal.ts';

const READY_MS = 3000;
const IDLE_MS = 5000;

interface Running {
  pipe: Socket;
}

/** Keeps a guard running while a close is pending. */
export class Guardian {
  readonly #script: string;
  readonly #journalPath: string;
  #running: Promise<Running> | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  readonly #pending = new Map<number, PendingClose>();

  /**
   * @param script the built guard
   * @param journalPath the journal, in which the guard reads what the module's successor has closed
   */
  constructor(script: string, journalPath: string) {
    this.#script = script;
    this.#journalPath = journalPath;
  }

  /** Starts the guard unless it runs. Rejects if it does not start. */
  async ready(): Promise<void> {
    this.#stayAwake();
    if (!this.#running) {
      const starting: Promise<Running> = this.#start(() => {
        if (this.#running === starting) this.#running = null;
      });
      this.#running = starting;
    }
    await this.#running;
  }

  /** Tells the guard a pending close. Once this resolves, the guard closes the inspector even if the module dies. */
  async watch(pending: PendingClose): Promise<void> {
    await this.ready();
    this.#pending.set(pending.pid, pending);
    await this.#tell(`pending ${JSON.stringify(pending)}\n`);
  }

  /** Tells the guard that nothing is left to close in that process. */
  async unwatch(pid: number): Promise<void> {
    this.#pending.delete(pid);
    if (this.#running) await this.#tell(`closed ${pid}\n`).catch(() => {});
    this.#stayAwake();
  }

  /** Ends the pipe: the guard closes what is still pending, and exits. */
  dismiss(): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
    this.#running?.then(
      ({ pipe }) => pipe.end(),
      () => {},
    );
    this.#running = null;
  }

  async #tell(line: string): Promise<void> {
    const running = await this.#running;
    if (!running) throw new Error('the guard is gone');
    await new Promise<void>((resolve, reject) => {
      running.pipe.write(line, (error) => (error ? reject(error) : resolve()));
    });
  }

  #stayAwake(): void {
    if (this.#idleTimer) clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      if (this.#pending.size === 0) this.dismiss();
    }, IDLE_MS);
    this.#idleTimer.unref();
  }

  #start(onEnd: () => void): Promise<Running> {
    return new Promise((resolve, reject) => {
      const { child, pipe } = launch([process.execPath, '--max-old-space-size=32', this.#script, this.#journalPath]);
      const forget = (error: Error) => {
        clearTimeout(timer);
        onEnd();
        reject(error);
      };
      const timer = setTimeout(() => {
        pipe.destroy();
        forget(new Error(`the guard did not start within ${READY_MS} ms`));
      }, READY_MS);
      child.once('error', forget);
      pipe.on('error', forget);
      const output = child.stdout as Socket;
      output.once('data', () => {
        clearTimeout(timer);
        // A guard that was killed leaves its pending closes to the next one.
        for (const pending of this.#pending.values()) pipe.write(`pending ${JSON.stringify(pending)}\n`);
        resolve({ pipe });
      });
      // The end of its output tells that it has exited: Node reports no exit of a process that is not our child.
      output.once('close', () => forget(new Error('the guard has ended')));
      child.unref();
      pipe.unref();
      output.unref();
    });
  }
}

/** Starts the guard as a process that is no child of ours, because PM2 ends the module together with all its descendants, with
 * SIGKILL in the end. If pid 1 is Node itself (PM2 in a container), orphans would stay zombies, so there it is our child. */
function launch(command: string[]): { child: ChildProcess; pipe: Socket } {
  const environment: NodeJS.ProcessEnv = { ...process.env };
  // These are meant for the module, not for its guard.
  delete environment.NODE_OPTIONS;
  delete environment.NODE_CHANNEL_FD;
  const options = { cwd: '/', env: environment, detached: true } as const;
  const [program = '', ...words] = command;
  if (/^(node|bun)/.test(basename(readLink('/proc/1/exe') ?? ''))) {
    const child = spawn(program, words, { ...options, stdio: ['pipe', 'pipe', 'ignore'] });
    return { child, pipe: child.stdin as Socket };
  }
  const child = spawn('/bin/sh', ['-c', '"$@" <&3 3<&- &', 'sh', ...command], {
    ...options,
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  return { child, pipe: child.stdio[3] as Socket };
}
