// One line for each request, by pino-http.

import type { Request, RequestHandler, Response } from 'express';
import { pinoHttp } from 'pino-http';
import type { Logger } from './log.ts';

/** Health checks come every few seconds, and say something only when they fail. */
const QUIET = '/health/';

export function requestLog(log: Logger): RequestHandler {
  const middleware = pinoHttp<Request, Response>({
    logger: log,
    // The line has the fields below and no others: headers may hold secrets, and the request's id is in every line.
    quietResLogger: true,
    wrapSerializers: false,
    customAttributeKeys: { responseTime: 'ms' },
    customSuccessObject: fieldsOf,
    customErrorObject: (req, res, _error, fields) => fieldsOf(req, res, fields),
    customLogLevel(req, res) {
      if (isAborted(res)) return 'warn';
      if (res.statusCode >= 500) return 'error';
      return pathOf(req).startsWith(QUIET) ? 'debug' : 'info';
    },
    customSuccessMessage: (_req, res) => (isAborted(res) ? 'the client left before its answer' : 'request'),
    customErrorMessage: (_req, res) => (isAborted(res) ? 'the client left before its answer' : 'request failed'),
  });
  // pino-http logs through a child of `log`, and a child keeps the level that it was made with. It has the listeners of `log`,
  // too, so that its own changes come here.
  log.on('level-change', (level, _value, _before, _valueBefore, changed) => {
    if (changed === log) middleware.logger.level = level;
  });
  return middleware;
}

function fieldsOf(req: Request, res: Response, { ms }: { ms: number }): object {
  const fields = { method: req.method, path: pathOf(req), status: res.statusCode, ms };
  return isAborted(res) ? { ...fields, aborted: true } : fields;
}

function isAborted(res: Response): boolean {
  return !res.writableFinished;
}

/** Without its query, which may hold secrets. */
function pathOf({ originalUrl }: Request): string {
  return originalUrl.replace(/\?.*$/s, '');
}
