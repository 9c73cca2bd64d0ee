// Hono with its server for Node, as its documentation starts one.
import { setTimeout as sleep } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.get('/', async (context) => {
  await sleep(5);
  return context.json({ pid: process.pid });
});
serve({ fetch: app.fetch, port: Number(process.env.PORT) });
