// For whoever watches the service: is it alive, and should it get requests?

import { Router } from 'express';
import type { Service } from 'pm2-ops/lifecycle';

/** What the routes need of the service. */
export type Health = Pick<Service, 'readiness'>;

/** Strangers learn that something is wrong, not what: that is in the log and in `/ops/status`. */
export function healthRouter(service: Health): Router {
  const router = Router();
  router.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  // Alive is whoever answers: a lost database is no reason to kill the process.
  router.get('/live', (_req, res) => {
    res.json({ status: 'alive' });
  });

  router.get('/ready', async (_req, res) => {
    const { ready, state } = await service.readiness();
    if (ready) res.json({ status: 'ready' });
    else res.status(503).json({ status: state === 'serving' ? 'unavailable' : state });
  });

  return router;
}
