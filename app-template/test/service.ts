// Starts the service as a real process on a free port, and reads its log.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import { createServer } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const SERVER = fileURLToPath(new URL('../../server.js', import.meta.url));
/** Longer than anything here takes, on a slow machine, too. */
const PATIENCE_MS = 30_000;

export interface LogLine {
  level: string;
  message: string;
  [field: string]: unknown;
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

  /** Its exit code as text, or the signal that ended it. */
  async exit(): Promise<string> {
    return Promise.race([
      this.#exit,
      sleep(PATIENCE_MS, undefined, { ref: false }).then(() => {
        throw new Error(`it does not exit\n${this.stdout}\n${this.stderr}`);
      }),
    ]);
  }

  /** Its log so far; each line must be JSON. */
  log(): LogLine[] {
    const lines = this.stdout.split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line) as LogLine);
  }

  /** Waits for the first line of the log that fits. */
  logged(fits: RegExp | ((line: LogLine) => boolean)): Promise<LogLine> {
    return until(String(fits), () =>
      this.log().find((line) => (fits instanceof RegExp ? fits.test(line.message) : fits(line))),
    ).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.stdout}\n${this.stderr}`);
    });
  }

  async port(): Promise<number> {
    return Number(/:(\d+) after/.exec((await this.logged(/^serving on /)).message)?.[1]);
  }
}

/** Starts it; it is ended with the test. */
export function start(t: TestContext, env: NodeJS.ProcessEnv = {}): ServiceProcess {
  const child = fork(SERVER, {
    env: { PATH: process.env.PATH, PORT: '0', HOST: '127.0.0.1', ...env },
    execArgv: [],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  t.after(() => child.kill('SIGKILL'));
  return new ServiceProcess(child);
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

/** One request on a connection of its own. */
export function ask(port: number, path = '/', options: RequestOptions = {}, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent: false, ...options }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Waits for the first value that is one. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const endMs = performance.now() + PATIENCE_MS;
  while (performance.now() < endMs) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await sleep(10);
  }
  throw new Error(`waited ${PATIENCE_MS} ms for ${what}`);
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
