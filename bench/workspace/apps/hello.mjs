// The service that every candidate runs: an Express app that answers after a few milliseconds, as one that asks a database
// does, and says which process (or thread) it was.
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';

/** @param worker what the answers call this worker */
export function createApp(worker = String(process.pid)) {
  const app = express();
  app.get('/', async (_req, res) => {
    res.send(await answer(worker));
  });
  return app;
}

const answerMs = Number(process.env.ANSWER_MS);

/** Takes between half of ANSWER_MS and one and a half. */
export async function answer(worker = String(process.pid)) {
  if (answerMs > 0) await sleep(answerMs * (0.5 + Math.random()));
  return `pid ${worker}`;
}

// What an app does before it listens.
const bootedMs = performance.now() + Number(process.env.BOOT_MS ?? 0);
while (performance.now() < bootedMs);

export const port = Number(process.env.PORT);

/** PM2's time until SIGKILL, which PM2 puts into the environment, less what it takes to leave, in milliseconds. */
export const graceMs = Number(process.env.kill_timeout || 1_600) - 100;
