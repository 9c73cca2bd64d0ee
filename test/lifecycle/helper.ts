// Starts a service on the lifecycle as a real process, and sees what its operator would see.

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { nodes } from '../../testkit/nodes.ts';
import { waitFor, within } from '../../testkit/wait-for.ts';

const SERVICE = join(fileURLToPath(new URL('.', import.meta.url)), 'service.mjs');

/** What a piece of the service does: takes so many milliseconds, or … */
type Behaviour = number | 'never' | 'until aborted' | { fails: string } | { mistake: true };

export interface Options {
  resources?: { name: string; open?: Behaviour; close?: Behaviour }[];
  warmUp?: Behaviour;
  servers?: number;
  port?: number;
  /** The server's `error` comes while listen() is still at work. */
  lateError?: boolean;
  /** It throws all the time. */
  loud?: boolean;
  killTimeoutMs?: number;
  startTimeoutMs?: number;
  checkTimeoutMs?: number;
}

export class ServiceProcess {
  stdout = '';
  stderr = '';
  readonly messages: unknown[] = [];
  readonly #exit: Promise<string>;

  constructor(readonly child: ChildProcess) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.on('message', (message) => this.messages.push(message));
    this.#exit = once(child, 'close').then(([code, signal]) => String(signal ?? code));
  }

  /** The exit code as text, or the signal that ended it. */
  exit(timeoutMs = 20_000): Promise<string> {
    return within(timeoutMs, `its exit\n${this.stdout}\n${this.stderr}\n`, this.#exit);
  }

  /** Waits until it has written something that matches. */
  said(pattern: RegExp): Promise<RegExpExecArray> {
    return waitFor(() => pattern.exec(this.stdout) ?? pattern.exec(this.stderr), {
      what: String(pattern),
      everyMs: 5,
      timeoutMs: 20_000,
      context: () => `${this.stdout}\n${this.stderr}`,
    });
  }

  async port(): Promise<number> {
    return Number((await this.said(/serving on 127\.0\.0\.1:(\d+)/))[1]);
  }

  /** The lines of stdout that match, in order. */
  lines(pattern: RegExp): string[] {
    return this.stdout.split('\n').filter((line) => pattern.test(line));
  }
}

/** Starts it with a channel as PM2 does, or without one. It is ended with the test. */
export function start(
  t: TestContext,
  node: string,
  options: Options = {},
  { env = {}, channel = true }: { env?: NodeJS.ProcessEnv; channel?: boolean } = {},
): ServiceProcess {
  const all = cleanEnvironment({ OPTIONS: JSON.stringify(options), ...env });
  const child = channel
    ? fork(SERVICE, { execPath: node, execArgv: [], env: all, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    : spawn(node, [SERVICE], { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return new ServiceProcess(child);
}

/** Runs the tests once for every Node that is tested on. */
export function onEveryNode(title: string, tests: (node: string) => void): void {
  for (const { path, version } of nodes())
    describe(`${title} (Node ${version})`, { timeout: 120_000, concurrency: 4 }, () => tests(path));
}
