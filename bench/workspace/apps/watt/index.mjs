// An Express app as Watt's guide has it (https://docs.platformatic.dev/docs/guides/frameworks/express): `create` hands the app
// to Watt, `close` is called before a worker ends. A worker is a thread.
import { threadId } from 'node:worker_threads';
import express from 'express';

export function create() {
  const app = express();
  app.get('/', (_req, res) => {
    res.send(`pid ${process.pid}.${threadId}`);
  });
  return app;
}

export function close() {}
