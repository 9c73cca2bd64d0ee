// What PM2 shows of this service (`pm2 show`, `pm2 monit`), and one action of its own: `pm2 trigger app-template log-level debug`.

import type { RequestHandler } from 'express';
import { LOG_LEVELS } from './config.ts';
import type { Logger } from './log.ts';

export interface Metrics {
  /** Requests that have no answer yet. */
  inFlight: number;
  /** One more was answered. */
  answered(ms: number): void;
}

/** Registers them with PM2; without PM2 it does nothing. */
export async function startMetrics(log: Logger, env: NodeJS.ProcessEnv): Promise<Metrics> {
  if (env.pm_id === undefined) return { inFlight: 0, answered() {} };
  const { default: tx2 } = await import('tx2');
  const perSecond = tx2.meter({ name: 'requests per second', samples: 1, timeframe: 60 });
  const duration = tx2.histogram({ name: 'response time in ms (95 % are faster)', measurement: 'p95' });
  const metrics: Metrics = {
    inFlight: 0,
    answered(ms) {
      perSecond.mark();
      duration.update(ms);
    },
  };
  tx2.metric({ name: 'requests in flight', value: () => metrics.inFlight });
  tx2.action('log-level', (param, reply) => {
    const level = LOG_LEVELS.find((known) => known === param);
    if (level !== undefined) log.level = level;
    reply(level === undefined ? { ok: false, level: log.level, allowed: LOG_LEVELS } : { ok: true, level });
  });
  return metrics;
}

/** Counts each request while it has no answer, and how long that takes. */
export function countRequests(metrics: Metrics): RequestHandler {
  return (_req, res, next) => {
    const started = performance.now();
    metrics.inFlight++;
    res.once('close', () => {
      metrics.inFlight--;
      metrics.answered(performance.now() - started);
    });
    next();
  };
}
