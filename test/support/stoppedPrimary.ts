// Clients who come while a cluster's primary stands still: it has not accepted them yet, nor heard what its workers say.

import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

const CLIENTS = 8;
/** More time than a worker needs to exit too early. Its exit would not show, as its stopped primary does not reap it. */
const STANDS_STILL_MS = 500;
/** A client without an answer gives up after this many milliseconds. */
const PATIENCE_MS = 10_000;

/**
 * Stops the primary, has clients connect and ask, calls `meanwhile`, and lets the primary go on a moment later.
 * @returns what each client received in the end; rejects for one that gave up
 */
export async function askStoppedPrimary(primary: number, port: number, meanwhile: () => void): Promise<string[]> {
  process.kill(primary, 'SIGSTOP');
  try {
    const answers: Promise<string>[] = [];
    for (let client = 0; client < CLIENTS; client++) {
      const socket = connect(port, '127.0.0.1').setTimeout(PATIENCE_MS, () => socket.destroy());
      await once(socket, 'connect');
      answers.push(text(socket));
      socket.write('GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n');
    }
    meanwhile();
    await sleep(STANDS_STILL_MS);
    process.kill(primary, 'SIGCONT');
    return await Promise.all(answers);
  } finally {
    process.kill(primary, 'SIGCONT');
  }
}
