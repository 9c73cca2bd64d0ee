// A module that dies in the middle of a reload leaves the listening socket with the canary. A process that starts then finds its
// port taken. The next module gets the socket from the canary and passes it on.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RELOADS_FILE } from '../../contract/names.ts';
import { listeners } from '../../shared/linux/sockets.ts';

/** @param folder the state folder */
export function isReloadUnfinished(folder: string): boolean {
  return existsSync(join(folder, RELOADS_FILE));
}

/** Does a process of this network listen on the port? */
export function isTaken(port: number): boolean {
  return listeners(process.pid).some((each) => each.port === port);
}
