// Maintenance routes for those who run the service: what state it is in, a heap dump, a leak report. There are none without
// OPS_TOKEN, and they have an address of their own, so that the public port never leads to them unless OPS_PUBLIC says so.

import express, { Router } from 'express';
import type { Resource, Service } from 'pm2-ops/lifecycle';
import type { OpsConfig } from '../config.ts';
import { errorHandler, notFound } from '../errors.ts';
import type { Logger } from '../log.ts';
import { requestContext } from '../requestContext.ts';
import { requireToken } from './auth.ts';
import { sendHeapDump } from './heapDump.ts';
import { leakReport } from './leakReport.ts';
import { opsServer } from './server.ts';
import { statusOf } from './status.ts';

export interface Ops {
  router: Router;
  /** The routes' own port. */
  server: Resource;
  /** From then on its state is known. */
  watch(service: Service): void;
}

/** Longest leak report, in seconds. */
const LONGEST_REPORT_S = 300;

export function createOps(config: OpsConfig, log: Logger): Ops {
  let service: Service | undefined;
  let busy = false;
  const router = Router();
  router.use(requireToken(config.token, log));

  router.get('/status', async (_req, res) => {
    res.json(await statusOf(service));
  });

  // One at a time: both stop the process for a while, and need memory.
  router.use((_req, res, next) => {
    if (busy) {
      res.status(409).json({ error: 'another dump or report is on its way; ask again when it is done' });
      return;
    }
    next();
  });
  const alone = async (work: () => Promise<void>) => {
    busy = true;
    try {
      await work();
    } finally {
      busy = false;
    }
  };

  router.get('/heapdump', async (req, res) => {
    await alone(() => sendHeapDump(res, { gzip: req.query.gzip === 'true', force: req.query.force === 'true' }, log));
  });

  router.get('/leak-report', async (req, res) => {
    const seconds = Number(req.query.seconds ?? 10);
    if (!(seconds >= 1 && seconds <= LONGEST_REPORT_S)) {
      res.status(400).json({ error: `seconds must be from 1 to ${LONGEST_REPORT_S}` });
      return;
    }
    await alone(async () => {
      res.json(await leakReport(seconds * 1_000));
    });
  });

  const app = express();
  app.disable('x-powered-by');
  app.use(requestContext);
  app.use('/ops', router);
  app.use(notFound, errorHandler(log));

  return {
    router,
    server: opsServer(app, config, log),
    watch(running) {
      service = running;
    },
  };
}
