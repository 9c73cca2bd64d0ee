// Maintenance routes for those who run the service: its state, a heap dump, a leak report. There are none without
// OPS_TOKEN, and they have a port of their own: the public one does not lead to them unless OPS_PUBLIC says so.

import express, { Router } from 'express';
import { rateLimit } from 'express-rate-limit';
import type { Resource, Service } from 'pm2-ops/lifecycle';
import { maintenance } from 'pm2-ops/maintenance';
import type { OpsConfig } from '../config.ts';
import { errorHandler, notFound } from '../errors.ts';
import type { Logger } from '../log.ts';
import { requestContext } from '../requestContext.ts';
import { opsServer } from './server.ts';

export interface Ops {
  router: Router;
  /** The routes' own port. */
  server: Resource;
  /** From then on the status has the state of the service. */
  watch(service: Service): void;
}

/** Requests of any kind that an address may send in a minute; `maintenance` itself limits wrong tokens. */
const REQUESTS = 120;

export function createOps({ token, folder, ...address }: OpsConfig, name: string, log: Logger): Ops {
  let service: Service | undefined;
  const router = Router();
  router.use(
    rateLimit({
      limit: REQUESTS,
      windowMs: 60_000,
      standardHeaders: 'draft-8',
      legacyHeaders: false,
      // Whose X-Forwarded-For is believed is TRUST_PROXY's to say.
      validate: { xForwardedForHeader: false },
      handler: (_req, res) => void res.status(429).json({ error: 'too many requests' }),
    }),
    maintenance({
      token,
      folder,
      name,
      log,
      status: async () => ({
        ...{ state: 'starting', ready: false, checks: [] },
        ...(await service?.readiness()),
        killTimeoutMs: service?.killTimeoutMs,
      }),
    }),
  );

  const app = express();
  app.disable('x-powered-by');
  app.use(requestContext);
  app.use('/ops', router);
  app.use(notFound, errorHandler(log));

  return {
    router,
    server: opsServer(app, address, log),
    watch(running) {
      service = running;
    },
  };
}
