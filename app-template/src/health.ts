// For load balancers and monitors: is the service alive, and should it get requests?

import { Router } from 'express';
import type { Service } from 'pm2-ops/lifecycle';

/** What the routes need of the service. */
export type Health = Pick<Service, 'readiness'>;

/** Strangers learn that something is wrong; the log and `/ops/status` say what. */
export function healthRouter(service: Health): Router {
  const router = Router();
  router.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    next();
  });

  // A process that answers is alive: a lost database is no reason to kill it.
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
