// Answers errors: a client learns what was wrong with its request, and nothing about the inside of the service.

import type { ErrorRequestHandler, RequestHandler } from 'express';
import type { Logger } from './log.ts';
import { currentRequest } from './requestContext.ts';

/** Errors that body-parser makes have a type; https://github.com/expressjs/body-parser#errors */
const CLIENTS_FAULT: Record<string, string> = {
  'entity.too.large': 'the body is too large',
  'entity.parse.failed': 'the body is not valid JSON',
  'encoding.unsupported': 'the content encoding is not supported',
  'charset.unsupported': 'the charset is not supported',
  'request.aborted': 'the body was cut short',
  'request.size.invalid': 'the body does not have the length that Content-Length says',
};

export const notFound: RequestHandler = (_req, res) => {
  res.status(404).json({ error: 'not found' });
};

export function errorHandler(log: Logger): ErrorRequestHandler {
  return (error: { status?: unknown; type?: unknown }, _req, res, next) => {
    // An answer that has begun cannot become another: Express ends its connection.
    if (res.headersSent) {
      log.error({ err: error }, 'an answer broke off');
      next(error);
      return;
    }
    const status = typeof error.status === 'number' ? error.status : 500;
    if (status >= 400 && status < 500) {
      res.status(status).json({ error: CLIENTS_FAULT[String(error.type)] ?? 'bad request' });
      return;
    }
    log.error({ err: error }, 'a route failed');
    res.status(500).json({ error: 'internal error', requestId: currentRequest()?.id });
  };
}
