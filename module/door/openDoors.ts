// The door with all its parts, or why there is none.
import { join } from 'node:path';
import { DOOR_FILE, DOOR_SOCKET } from '../../contract/door.ts';
import { nodeBindings } from '../../shared/ipc/bindings.ts';
import { LONGEST_PATH_BYTES, openDoorServer } from './doorServer.ts';
import { createDoors, type DoorParts, type OpenDoors } from './doors.ts';
import { createHeldSockets } from './heldSockets.ts';

/** @param folder the state folder */
export function openDoors(parts: Omit<DoorParts, 'sockets' | 'path' | 'file' | 'broken'>, folder: string): OpenDoors {
  const path = join(folder, DOOR_SOCKET);
  const bindings = nodeBindings();
  const broken =
    bindings === undefined
      ? `Node ${process.version} gives pm2-ops no way to pass sockets`
      : Buffer.byteLength(path) > LONGEST_PATH_BYTES
        ? `the path of its socket is too long for the kernel: ${path}`
        : undefined;
  const doors = createDoors({
    ...parts,
    sockets: createHeldSockets(),
    path,
    file: join(folder, DOOR_FILE),
    broken,
  });
  if (!bindings || broken !== undefined || parts.settings.door === 'off') return doors;
  const server = openDoorServer(path, bindings, doors, (error) => parts.log(`the door: ${error.message}`));
  return {
    ...doors,
    close() {
      server.close();
      doors.close();
    },
  };
}
