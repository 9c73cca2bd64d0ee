// The service's log: one JSON object a line, each with timestamp, level, app, instance and, while a request is served, its id.

import { ecsFormat } from '@elastic/ecs-pino-format';
import { type Logger, type LoggerOptions, pino } from 'pino';
import type { Config } from './config.ts';
import { REDACTED_PATHS, redactText } from './redact.ts';
import { currentRequest } from './requestContext.ts';

export type { Logger };

/** A logger in the configured format, to stdout. */
export function createLogger(config: Config): Logger {
  const format = config.logFormat === 'ecs' ? ecsOptions(config) : jsonOptions(config);
  const options: LoggerOptions = {
    ...format,
    level: config.logLevel,
    redact: { paths: REDACTED_PATHS, censor: '[redacted]' },
    hooks: { streamWrite: redactText },
  };
  // Without a stream pino writes to file descriptor 1. In PM2's cluster mode that is the daemon's log; only
  // process.stdout.write leads to the app's.
  return pino(options, process.stdout);
}

function jsonOptions({ name, instance }: Config): LoggerOptions {
  return {
    base: { app: name, instance, pid: process.pid },
    messageKey: 'message',
    timestamp: () => `,"timestamp":"${new Date().toISOString()}"`,
    formatters: { level: (level) => ({ level }) },
    mixin: () => {
      const request = currentRequest();
      if (request === undefined) return {};
      return { requestId: request.id, ...(request.traceId === undefined ? {} : { traceId: request.traceId }) };
    },
  };
}

/** The same in the fields of Elastic Common Schema. */
function ecsOptions({ name, instance }: Config): LoggerOptions {
  return {
    ...ecsFormat({ serviceName: name, serviceNodeName: String(instance), apmIntegration: false }),
    mixin: () => {
      const request = currentRequest();
      if (request === undefined) return {};
      const trace = request.traceId === undefined ? {} : { 'trace.id': request.traceId };
      return { 'http.request.id': request.id, ...trace };
    },
  };
}
