// Waiting for the real world in tests: always with a deadline, and with the last value seen in the error.

import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface WaitOptions {
  /** What is waited for, as it reads after "waited 5000 ms for". */
  what: string;
  timeoutMs?: number;
  everyMs?: number;
  /** Appended to the error: logs, for example. */
  context?: () => string | Promise<string>;
}

type Falsy = false | null | undefined | 0 | '';

/** The first truthy value of `condition`. An exception counts as "not yet" and is quoted at the deadline. */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what, timeoutMs = 10_000, everyMs = 50, context }: WaitOptions,
): Promise<Exclude<T, Falsy>> {
  const started = performance.now();
  let last: unknown;
  for (;;) {
    try {
      last = await condition();
      if (last) return last as Exclude<T, Falsy>;
    } catch (error) {
      last = error;
    }
    if (performance.now() - started > timeoutMs) break;
    await sleep(everyMs);
  }
  const value = last instanceof Error ? String(last) : inspect(last, { depth: 6, breakLength: 120 });
  throw new Error(`waited ${timeoutMs} ms for ${what}; last: ${value}${context ? `\n${await context()}` : ''}`);
}

/** Rejects with an error that names `what` unless `promise` settles in time. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

const given = new Set<number>();

/** A TCP port that was free a moment ago, and a different one each time. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  if (given.has(port)) return freePort(host);
  given.add(port);
  return port;
}
