// app-template, put together as its server.ts does it, with a route for every kind of client (every-answer.cjs) added to
// its own, and HTTPS and HTTP/2 beside HTTP. PORTS is a JSON object; CERT and KEY are files; while the file BROKEN exists a
// worker cannot start.
import { existsSync, readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { startService } from 'pm2-ops/lifecycle';
import { createApp } from '../../app-template/dist/app.js';
import { readConfig } from '../../app-template/dist/config.js';
import { createHttpServer } from '../../app-template/dist/httpServer.js';
import { createLogger } from '../../app-template/dist/log.js';
import { startMetrics } from '../../app-template/dist/metrics.js';
import { createResources } from '../../app-template/dist/resources/index.js';
import everyAnswer from './every-answer.cjs';

const { answer, acceptWebSockets } = everyAnswer;
const { BROKEN, CERT, KEY, PORTS } = process.env;
const ports = JSON.parse(PORTS);
const tls = { key: readFileSync(KEY), cert: readFileSync(CERT) };
const config = readConfig({ ...process.env, LOG_LEVEL: 'warn' });
const log = createLogger(config);
const metrics = await startMetrics(log, process.env);
const resources = createResources(config);
const licence = {
  name: 'licence',
  open() {
    if (existsSync(BROKEN)) throw new Error('it has run out');
  },
};

await startService({
  resources: [licence, ...Object.values(resources)],
  listen(service) {
    const app = createApp({ config, log, metrics, resources, service, ops: undefined });
    const handle = (request, response) =>
      /^\/(notes|visits|health)/.test(request.url) ? app(request, response) : answer(request, response);
    const plain = createHttpServer(handle, config.requestTimeoutMs);
    acceptWebSockets(plain);
    return [
      plain.listen(ports.http),
      https.createServer(tls, handle).listen(ports.https),
      http2.createSecureServer(tls, answer).listen(ports.http2),
      http2.createServer(answer).listen(ports.h2c),
    ];
  },
});
