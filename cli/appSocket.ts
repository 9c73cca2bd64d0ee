// Connects to the socket of an app, in a folder that the app's user controls. That user must not be able to lead root's command
// to the socket of another user.
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

/** Names a file without opening it, whatever it is (open(2), O_PATH); Node has no constant for it. */
const O_PATH = 0o10_000_000;

/**
 * Connects to a Unix socket.
 * @param uid the user that must own it
 * @throws when it is anything else, such as a link
 */
export function connectToApp(path: string, uid: number): Socket {
  if (process.platform !== 'linux') return connect(path);
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW);
  const stats = fstatSync(fd);
  if (!stats.isSocket() || stats.uid !== uid) {
    closeSync(fd);
    throw new Error(`${path} is not a socket of user ${uid}`);
  }
  // By its descriptor, so that the file that was checked is the file that is connected to.
  const socket = connect(`/proc/self/fd/${fd}`);
  let open = true;
  const close = () => {
    if (open) closeSync(fd);
    open = false;
  };
  return socket.once('connect', close).once('close', close);
}
