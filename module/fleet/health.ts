// Asks an app for its health: its health URL, over its own port, as a load balancer would.
import { type RequestOptions, request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ServerInfo } from '../../contract/standing.ts';

/** How long one answer may take. */
const ANSWERS_WITHIN_MS = 2_000;
/** The app's certificate is for the name that clients use, and not for the address that we connect to. */
const ANY_NAME = { rejectUnauthorized: false } as const;

/**
 * @param health a path on the app's port, or a whole URL
 * @param servers the app's servers, as its agent says
 * @returns what to request; undefined if the port is not known
 */
export function healthTarget(health: string, servers: readonly ServerInfo[]): HealthTarget | undefined {
  if (/^https?:\/\//.test(health)) {
    const { hostname, port, pathname, search, protocol } = new URL(health);
    const options: RequestOptions = { host: hostname.replace(/^\[|\]$/g, ''), path: pathname + search };
    return { tls: protocol === 'https:', options: port === '' ? options : { ...options, port } };
  }
  const server = servers.find(({ kind }) => kind === 'http') ?? servers.find(({ kind }) => kind === 'https');
  if (!server) return undefined;
  const [, host = '', port] = /^(.*):(\d+)$/.exec(server.address) ?? [];
  const where = port === undefined ? { socketPath: server.address } : { host: reachable(host), port };
  return { tls: server.kind === 'https', options: { ...where, path: health } };
}

export interface HealthTarget {
  tls: boolean;
  options: RequestOptions;
}

/**
 * @param over the connection to use; default: a new one
 * @returns undefined if the app answers 2xx, else what it answered
 */
export function probe({ tls, options }: HealthTarget, over?: Socket): Promise<string | undefined> {
  const connection = (socket: Socket) => (tls ? connectTls({ socket, ...ANY_NAME }) : socket);
  const way = over ? { createConnection: () => connection(over) } : { agent: false };
  return new Promise((resolve) => {
    const settings = { ...options, ...way, headers: { connection: 'close' }, timeout: ANSWERS_WITHIN_MS };
    const asked = (tls ? requestTls : request)({ ...settings, ...ANY_NAME }, (response) => {
      response.resume();
      const { statusCode = 0 } = response;
      resolve(statusCode >= 200 && statusCode < 300 ? undefined : `${statusCode}`);
    });
    asked.on('timeout', () => asked.destroy(new Error(`nothing within ${ANSWERS_WITHIN_MS} ms`)));
    asked.on('error', ({ message }) => resolve(message));
    asked.end();
  });
}

/** The host to connect to for a server that listens on `host`. */
export function reachable(host: string): string {
  const bare = host.replace(/^\[|\]$/g, '');
  if (bare === '0.0.0.0') return '127.0.0.1';
  return bare === '::' || bare === '' ? 'localhost' : bare;
}
