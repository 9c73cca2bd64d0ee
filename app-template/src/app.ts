// What the service answers.

import express, { type Express } from 'express';

/** `isReady` says whether new requests are welcome: not while this worker is closing. */
export function createApp(isReady: () => boolean): Express {
  const app = express();
  app.disable('x-powered-by');

  app.get('/', (_req, res) => {
    res.json({ pid: process.pid, instance: Number(process.env.NODE_APP_INSTANCE ?? 0) });
  });

  app.get('/health/live', (_req, res) => {
    res.json({ status: 'alive' });
  });

  app.get('/health/ready', (_req, res) => {
    if (isReady()) res.json({ status: 'ready' });
    else res.status(503).json({ status: 'closing' });
  });

  return app;
}
