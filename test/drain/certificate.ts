// A self-signed certificate for localhost and a client that takes it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { connect, folder, Wire } from './helper.ts';

let made: { key: string; cert: string } | undefined;

export function certificate(): { key: string; cert: string } {
  if (made === undefined) {
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', '-x509', ...curve, '-subj', '/CN=localhost', '-keyout', key, '-out', cert], {
      stdio: 'pipe',
    });
    made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  }
  return made;
}

/** A raw connection, over TLS if wished. */
export function connectTo(secure: boolean, where: net.TcpNetConnectOpts): Promise<Wire> {
  if (!secure) return connect(where);
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ ...where, rejectUnauthorized: false }, () => resolve(new Wire(socket)));
    socket.once('error', reject);
  });
}
