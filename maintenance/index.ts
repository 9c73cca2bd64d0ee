// `pm2-ops/maintenance`: heap dump, leak report and status as routes in the app's own code, private by default. A plain
// handler of Node's HTTP server, so that Express 4, Express 5 and node:http take it as it is.
import { createRoutes } from './routes.ts';
import type { MaintenanceHandler, MaintenanceOptions } from './types.ts';

export type { MaintenanceHandler, MaintenanceLog, MaintenanceOptions } from './types.ts';

/**
 * Makes the routes:
 *
 * - `GET status`: the process and its memory.
 * - `POST heapdump?gzip=true&force=true`: writes a heap snapshot into the folder; with `download=true`, or by GET, it is
 *   sent and not kept.
 * - `POST leak-report?seconds=60`: does it leak, and which lines allocate the memory that stays?
 *
 * @throws {TypeError} for a token that is missing or too short, and for a folder that cannot be used
 */
export function maintenance(options: MaintenanceOptions): MaintenanceHandler {
  return createRoutes(options);
}
