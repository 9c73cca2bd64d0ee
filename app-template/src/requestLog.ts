// One line for each request, and its figures for the metrics.

import type { NextFunction, Request, RequestHandler, Response } from 'express';
import type { Logger } from './log.ts';
import type { Metrics } from './metrics.ts';

/** Health checks come every few seconds, and say something only when they fail. */
const QUIET = '/health/';

export function requestLog(log: Logger, metrics: Metrics): RequestHandler {
  return (req: Request, res: Response, next: NextFunction) => {
    const started = performance.now();
    metrics.inFlight++;
    res.once('close', () => {
      const ms = Math.round((performance.now() - started) * 10) / 10;
      metrics.inFlight--;
      metrics.answered(ms);
      // Without its query, which may hold secrets.
      const path = req.originalUrl.replace(/\?.*$/s, '');
      const fields = { method: req.method, path, status: res.statusCode, ms };
      if (!res.writableFinished) log.warn({ ...fields, aborted: true }, 'the client left before its answer');
      else if (res.statusCode >= 500) log.error(fields, 'request failed');
      else if (path.startsWith(QUIET)) log.debug(fields, 'request');
      else log.info(fields, 'request');
    });
    next();
  };
}
