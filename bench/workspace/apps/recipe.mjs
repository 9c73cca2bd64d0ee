// The recipe that blog posts and answers agree on, on top of what PM2 documents ("Graceful Stop",
// https://pm2.keymetrics.io/docs/usage/signals-clean-restart/): on SIGINT responses say `Connection: close`, the server
// closes, then the process exits.
import express from 'express';
import { createApp, port } from './hello.mjs';

let closing = false;
const app = express();
app.use((_req, res, next) => {
  if (closing) res.set('Connection', 'close');
  next();
});
app.use(createApp());
const server = app.listen(port);

process.on('SIGINT', () => {
  closing = true;
  server.close(() => process.exit(0));
});
