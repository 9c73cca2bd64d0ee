// An app with the routes of pm2-ops/maintenance: `express-4`, `express-5` or `http`; by require or by import.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const [framework, folder, token] = process.argv.slice(2);
const require = createRequire(import.meta.url);
// From the workspace of the frameworks; the package itself by its own name.
const expressOf = (name) => createRequire(new URL('../frameworks/package.json', import.meta.url))(name);
const { maintenance } =
  framework === 'express-4' ? require('pm2-ops/maintenance') : await import('pm2-ops/maintenance');

const kept = [];
function keepForEver() {
  for (let i = 0; i < 300; i++) kept.push({ i });
}
if (process.env.LEAKS) setInterval(keepForEver, 20);

const log = {
  warn: (fields, message) => console.log(JSON.stringify({ level: 'warn', message, ...fields })),
  error: (fields, message) => console.log(JSON.stringify({ level: 'error', message, ...fields })),
};
const options = { token, folder, log, name: 'my app', keep: 2, status: () => ({ state: 'serving' }) };

let server;
if (framework === 'http') {
  const ops = maintenance({ ...options, path: '/ops' });
  server = createServer((req, res) => ops(req, res, () => res.end('the app')));
} else {
  const express = expressOf(framework === 'express-4' ? 'express-4' : 'express');
  const app = express();
  app.use('/ops', maintenance(options));
  app.use((_req, res) => res.send('the app'));
  server = createServer(app);
}
server.listen(0, '127.0.0.1', () => process.send(server.address().port));
