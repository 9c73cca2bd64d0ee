// Fastify, as its documentation starts one.
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';

const app = Fastify();
app.get('/', async () => {
  await sleep(5);
  return { pid: process.pid };
});
await app.listen({ port: Number(process.env.PORT), host: '::' });
