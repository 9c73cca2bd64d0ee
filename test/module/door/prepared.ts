// A fork-mode service that loads the door before its code, as one does after its first `pm2-ops reload`.
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { ProcessStatus } from '../../../contract/commandMessages.ts';
import { DOOR_FILE, doorImport } from '../../../contract/door.ts';
import { app } from '../../../testkit/folders.ts';
import { untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { moduleStatus } from '../../../testkit/status.ts';
import { freePort, waitFor } from '../../../testkit/wait-for.ts';

/** Node's options of a prepared process. */
export function prepared(pm2: Pm2): string[] {
  return [doorImport(join(pm2.home, 'pm2-ops', DOOR_FILE))];
}

interface Options {
  script?: string;
  env?: Record<string, string | number>;
  [option: string]: unknown;
}

/**
 * Starts it, and waits until it serves.
 * @param answersAt a port that speaks HTTP, if it is not PORT; null: it is not waited for
 * @returns its PORT
 */
export async function startPrepared(
  pm2: Pm2,
  name: string,
  { env = {}, ...options }: Options = {},
  answersAt?: number | null,
): Promise<number> {
  // A module that has just been installed writes it in a moment.
  await waitFor(() => existsSync(join(pm2.home, 'pm2-ops', DOOR_FILE)), { what: 'what the app is to load' });
  const port = Number(env.PORT ?? (await freePort()));
  await pm2.startApp({
    ...{ name, script: app('slow-boot.cjs'), node_args: prepared(pm2) },
    ...options,
    env: { PORT: port, MS: 400, ...env },
  });
  if (answersAt !== null) await untilServing({ port: answersAt ?? port });
  return port;
}

/** The module's row of an app with one instance. */
export async function rowOf(pm2: Pm2, name: string): Promise<ProcessStatus> {
  const row = ((await moduleStatus(pm2)).processes as unknown as ProcessStatus[]).find((each) => each.name === name);
  if (!row) throw new Error(`the module knows no ${name}`);
  return row;
}

/** Waits until so many addresses of the app are held. */
export async function untilHeld(pm2: Pm2, name: string, count = 1): Promise<string[]> {
  return waitFor(
    async () => {
      const { held } = (await rowOf(pm2, name)).door;
      return held.length === count ? held : undefined;
    },
    { what: `${count} addresses of ${name} held`, context: () => pm2.logs('pm2-ops') },
  );
}

/** Can another program listen there? */
export function isFree(port: number, host?: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => server.close(() => resolve(true)));
  });
}

/** Does the kernel take a connection there? */
export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
