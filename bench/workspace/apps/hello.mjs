// The service that every candidate runs: an Express app that answers at once and says which process it was.
import express from 'express';

export function createApp() {
  const app = express();
  app.get('/', (_req, res) => {
    res.send(`pid ${process.pid}`);
  });
  return app;
}

export const port = Number(process.env.PORT);

/** PM2's time until SIGKILL, which PM2 puts into the environment, less what it takes to leave, in milliseconds. */
export const graceMs = Number(process.env.kill_timeout || 1_600) - 100;
