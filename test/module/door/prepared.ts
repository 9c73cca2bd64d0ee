// A fork-mode service that loads the door before its code, as one does after its first `pm2-ops reload`.
import { join } from 'node:path';
import { DOOR_FILE, doorImport } from '../../../contract/door.ts';
import { app } from '../../../testkit/folders.ts';
import { untilServing } from '../../../testkit/load.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import type { AppConfig } from '../../../testkit/pm2Versions.ts';
import { freePort } from '../../../testkit/wait-for.ts';

/** Node's options of a prepared process. */
export function prepared(pm2: Pm2): string[] {
  return [doorImport(join(pm2.home, 'pm2-ops', DOOR_FILE))];
}

/** Starts it, and waits until it serves. @returns its port */
export async function startPrepared(pm2: Pm2, name: string, config: Partial<AppConfig> = {}): Promise<number> {
  const port = await freePort();
  const { env = {}, ...rest } = config as { env?: object };
  await pm2.startApp({
    ...{ name, script: app('slow-boot.cjs'), node_args: prepared(pm2) },
    ...rest,
    env: { PORT: port, MS: 400, ...env },
  });
  await untilServing({ port });
  return port;
}
