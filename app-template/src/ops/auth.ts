// Who may use the maintenance routes: whoever has the token, and has not tried too many wrong ones.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import type { Logger } from '../log.ts';
import { createLimiter } from './limiter.ts';

/** Wrong tokens that an address may send in a minute, and requests of any kind. */
const WRONG_TOKENS = 10;
const REQUESTS = 120;
const WINDOW_MS = 60_000;

/** Answers 401 without a token, 403 with a wrong one and 429 for too many, and says no more than that. */
export function requireToken(token: string, log: Logger): RequestHandler {
  const expected = digest(token);
  const wrong = createLimiter(WRONG_TOKENS, WINDOW_MS);
  const requests = createLimiter(REQUESTS, WINDOW_MS);

  return (req, res, next) => {
    const address = req.ip ?? 'unknown';
    res.set('Cache-Control', 'no-store');
    if (wrong.isOver(address) || !requests.take(address)) {
      res
        .status(429)
        .set('Retry-After', String(WINDOW_MS / 1_000))
        .json({ error: 'too many requests' });
      return;
    }
    const given = /^Bearer +(\S+) *$/i.exec(req.get('authorization') ?? '')?.[1];
    // Digests have the same length, and comparing them takes the same time wherever they differ.
    if (given !== undefined && timingSafeEqual(digest(given), expected)) {
      next();
      return;
    }
    const fields = { address, path: req.baseUrl + req.path };
    if (wrong.take(address)) log.warn(fields, `ops: refused, ${given === undefined ? 'no' : 'wrong'} token`);
    if (wrong.isOver(address))
      log.error(fields, `ops: ${WRONG_TOKENS} wrong tokens from ${address}, refused for ${WINDOW_MS / 1_000} s`);
    if (given === undefined) res.status(401).set('WWW-Authenticate', 'Bearer').json({ error: 'unauthorized' });
    else res.status(403).json({ error: 'forbidden' });
  };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
