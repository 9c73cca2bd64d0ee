// Starts one worker: reads the configuration, puts the parts together, and leaves its life to the lifecycle.

import { startService } from 'pm2-ops/lifecycle';
import { createApp } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { createHttpServer } from './httpServer.ts';
import { createLogger } from './log.ts';
import { startMetrics } from './metrics.ts';
import { createOps } from './ops/index.ts';
import { createResources } from './resources/index.ts';

const config = configOrExit();
const log = createLogger(config);
const metrics = await startMetrics(log, process.env);
const resources = createResources(config);
const ops = config.ops && createOps(config.ops, config.name, log);

await startService({
  log,
  // Opened in this order, closed in reverse: maintenance comes first and goes last.
  resources: [...(ops ? [ops.server] : []), resources.notes, resources.visits],
  listen(service) {
    ops?.watch(service);
    const publicOps = config.ops?.public ? ops?.router : undefined;
    const app = createApp({ config, log, metrics, resources, service, ops: publicOps });
    // What `pm2-ops repl` offers inside this worker.
    Object.assign(globalThis, { [Symbol.for('pm2-ops.repl')]: { app, log, metrics, resources, service } });
    return createHttpServer(app, config.requestTimeoutMs).listen(config.port, config.host);
  },
});

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const line of error.message.split('\n')) console.error(`configuration: ${line}`);
    process.exit(1);
  }
}
