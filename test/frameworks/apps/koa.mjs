// Koa, as its documentation starts one.
import { setTimeout as sleep } from 'node:timers/promises';
import Koa from 'koa';

const app = new Koa();
app.use(async (context) => {
  await sleep(5);
  context.body = { pid: process.pid };
});
app.listen(process.env.PORT);
