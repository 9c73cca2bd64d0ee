// Who may use the routes: a client that has the token and has not tried too many wrong ones.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { createLimiter } from './limiter.ts';
import { Problem } from './problem.ts';
import type { MaintenanceLog } from './types.ts';

/** A token that can be guessed protects nothing. */
const SHORTEST_TOKEN = 16;
/** Wrong tokens that a client may send within the window. */
const WRONG_TOKENS = 10;
const WINDOW_MS = 60_000;

/** Lets a request pass, or throws the problem to answer it with. */
export type Guard = (req: IncomingMessage, path: string) => void;

/**
 * Asks for `Authorization: Bearer TOKEN`: 401 without a token, 403 with a wrong one, 429 after too many, and nothing more.
 * @throws {TypeError} for a token that is missing or too short
 */
export function createGuard(token: unknown, log: MaintenanceLog): Guard {
  if (typeof token !== 'string' || token.length < SHORTEST_TOKEN) {
    const got = typeof token === 'string' ? `${token.length} characters` : typeof token;
    throw new TypeError(
      `maintenance: token must be a string of at least ${SHORTEST_TOKEN} characters, got ${got}; make one: openssl rand -hex 32`,
    );
  }
  const expected = digest(token);
  const wrong = createLimiter(WRONG_TOKENS, WINDOW_MS);

  return (req, path) => {
    const address = clientAddressOf(req);
    if (wrong.isOver(address)) throw new Problem(429, { 'Retry-After': String(WINDOW_MS / 1_000) });
    const given = /^Bearer +(\S+) *$/i.exec(req.headers.authorization ?? '')?.[1];
    // Digests have the same length, and comparing them takes the same time wherever they differ.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) return;
    wrong.count(address);
    const fields = { address, path };
    log.warn(fields, `ops: refused, ${given === undefined ? 'no' : 'wrong'} token`);
    if (wrong.isOver(address))
      log.error(fields, `ops: ${WRONG_TOKENS} wrong tokens from ${address}, refused for ${WINDOW_MS / 1_000} s`);
    if (given === undefined) throw new Problem(401, { 'WWW-Authenticate': 'Bearer' });
    throw new Problem(403);
  };
}

/** Express says whom it believes an address of (`trust proxy`); without it the connection does. */
function clientAddressOf(req: IncomingMessage & { ip?: unknown }): string {
  return typeof req.ip === 'string' ? req.ip : (req.socket.remoteAddress ?? 'unknown');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
