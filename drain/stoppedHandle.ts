// The stub in place of a stopped server's listening socket. For the app, the server looks as before.

import type { ListenHandle, SocketName } from './nodeInternals.ts';

const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The stub in `_handle` while a server is stopped. */
export class StoppedHandle implements ListenHandle {
  readonly fd = -1;
  readonly #name: SocketName | undefined;
  readonly #asyncId: number;
  #alive: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(name: SocketName | undefined, asyncId: number, referenced: boolean) {
    this.#name = name;
    this.#asyncId = asyncId;
    // Node checks whether `getsockname` exists: in a cluster worker, the handle of a socket's path has none.
    if (name === undefined) Object.defineProperty(this, 'getsockname', { value: undefined });
    if (referenced) this.ref();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Keeps the process alive like the listening socket did. */
  ref(): void {
    if (!this.#closed) this.#alive ??= setInterval(() => {}, LONGEST_TIMEOUT_MS);
  }

  unref(): void {
    clearInterval(this.#alive);
    this.#alive = undefined;
  }

  hasRef(): boolean {
    return this.#alive !== undefined;
  }

  getAsyncId(): number {
    return this.#asyncId;
  }

  getsockname(out: SocketName): number {
    Object.assign(out, this.#name);
    return 0;
  }

  listen(): number {
    return 0;
  }

  fchmod(): number {
    return 0;
  }

  close(callback?: () => void): void {
    this.#closed = true;
    this.unref();
    if (typeof callback === 'function') process.nextTick(callback);
  }
}
