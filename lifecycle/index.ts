// A service that starts, serves and stops well by its own code, under PM2 or without it: `startService`.

import { ServiceRun } from './service.ts';
import type { Service, ServiceOptions } from './types.ts';

export type { Check, Readiness, Resource, Service, ServiceLog, ServiceOptions, ServiceState } from './types.ts';

/**
 * Opens the resources in order, warms up, listens, and tells PM2 `ready`. From then on SIGINT, SIGTERM or PM2's `shutdown`
 * message drains the servers without losing a request, closes the resources in reverse order within what is left of
 * `killTimeoutMs`, and exits with 0; a second signal exits at once. An uncaught error does the same and exits with 1.
 *
 * A start that fails says why in one line, closes what was opened, and exits with 1: the promise does not reject.
 */
export function startService(options: ServiceOptions): Promise<Service> {
  return new ServiceRun(options).start();
}
