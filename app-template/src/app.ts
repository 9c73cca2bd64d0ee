// What the service answers.

import express, { type Express, type Router } from 'express';
import type { Config } from './config.ts';
import { errorHandler, notFound } from './errors.ts';
import { type Health, healthRouter } from './health.ts';
import type { Logger } from './log.ts';
import { countRequests, type Metrics } from './metrics.ts';
import { notesRouter } from './notes.ts';
import { requestContext } from './requestContext.ts';
import { requestLog } from './requestLog.ts';
import type { Resources } from './resources/index.ts';

export interface AppParts {
  config: Config;
  log: Logger;
  metrics: Metrics;
  resources: Resources;
  service: Health;
  /** Maintenance routes on the public port, where that was asked for. */
  ops: Router | undefined;
}

export function createApp({ config, log, metrics, resources, service, ops }: AppParts): Express {
  const app = express();
  app.disable('x-powered-by');
  if (config.trustProxy !== undefined) app.set('trust proxy', config.trustProxy);

  app.use(requestContext, countRequests(metrics), requestLog(log));
  app.use('/health', healthRouter(service));
  if (ops !== undefined) app.use('/ops', ops);
  app.use(express.json({ limit: config.bodyLimitBytes }));
  app.get('/', (_req, res) => {
    res.json({ pid: process.pid, instance: config.instance });
  });
  app.use(notesRouter(resources));
  app.use(notFound, errorHandler(log));
  return app;
}
