// The service's resources: opened in order, checked side by side, closed in reverse order.

import { unlessAborted, within } from './deadline.ts';
import { messageOf } from './text.ts';
import type { Check, Resource } from './types.ts';

/** How long a resource may take to notice that its opening was given up; after that it is not waited for. */
const SETTLE_MS = 500;

export class Resources {
  readonly #all: readonly Resource[];
  readonly #checkTimeoutMs: number;
  readonly #onHealth: (name: string, failure: string | undefined) => void;
  readonly #opened: Resource[] = [];
  readonly #failing = new Set<string>();
  #checking: Promise<Check[]> | undefined;

  /** @param onHealth called when a resource's check begins to fail, with the reason, and when it is well again */
  constructor(
    all: readonly Resource[],
    checkTimeoutMs: number,
    onHealth: (name: string, failure: string | undefined) => void,
  ) {
    this.#all = all;
    this.#checkTimeoutMs = checkTimeoutMs;
    this.#onHealth = onHealth;
  }

  /** Is there anything to close? */
  get closable(): boolean {
    return this.#opened.some(({ close }) => close !== undefined);
  }

  /** Opens all, one after the other. Rejects with the name of the one that failed. */
  async open(signal: AbortSignal): Promise<void> {
    for (const resource of this.#all) {
      const opening = Promise.resolve().then(() => {
        signal.throwIfAborted();
        return resource.open?.(signal);
      });
      try {
        await unlessAborted(signal, () => opening);
        this.#opened.push(resource);
      } catch (error) {
        if (signal.aborted) {
          const settled = within(SETTLE_MS, '', () => opening);
          // It may have connected all the same.
          if (
            await settled.then(
              () => true,
              () => false,
            )
          )
            this.#opened.push(resource);
        }
        throw new Error(`${resource.name}: ${messageOf(error)}`, { cause: error });
      }
    }
  }

  /** Checks all at the same time. Never rejects. */
  check(): Promise<Check[]> {
    this.#checking ??= Promise.all(
      this.#all.flatMap(({ name, check }, index) =>
        check === undefined ? [] : this.#checkOne(name, (signal) => this.#all[index]?.check?.(signal)),
      ),
    ).finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /**
   * Closes what was opened, the last first. A resource that is late does not take the others' time: each may use its share of
   * the time that remains.
   * @param ms for all of them together
   * @returns the resources that did not close, and why
   */
  async close(ms: number): Promise<string[]> {
    const endsMs = performance.now() + ms;
    const failures: string[] = [];
    for (let resource = this.#opened.pop(); resource !== undefined; resource = this.#opened.pop()) {
      const { name } = resource;
      const ownMs = Math.max(0, endsMs - performance.now()) / (this.#opened.length + 1);
      try {
        await within(ownMs, 'close', (signal) => resource?.close?.(signal));
      } catch (error) {
        failures.push(`${name} (${messageOf(error)})`);
      }
    }
    return failures;
  }

  async #checkOne(name: string, check: (signal: AbortSignal) => void | Promise<void>): Promise<Check> {
    const started = performance.now();
    const ms = () => Math.round(performance.now() - started);
    try {
      await within(this.#checkTimeoutMs, 'check', check);
      if (this.#failing.delete(name)) this.#onHealth(name, undefined);
      return { name, ok: true, ms: ms() };
    } catch (thrown) {
      const error = messageOf(thrown);
      if (!this.#failing.has(name)) this.#onHealth(name, error);
      this.#failing.add(name);
      return { name, ok: false, ms: ms(), error };
    }
  }
}
