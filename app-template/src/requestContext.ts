// Which request is being served: its id follows through everything that is awaited on its behalf.

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

export interface RequestContext {
  /** From the client's `x-request-id`, else from its trace, else made here. */
  id: string;
  /** From `traceparent` (https://www.w3.org/TR/trace-context/). */
  traceId: string | undefined;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** The request on whose behalf the caller runs, if any. */
export function currentRequest(): RequestContext | undefined {
  return storage.getStore();
}

/** Gives each request its id, and the client the same in the header `x-request-id`. */
export function requestContext(req: Request, res: Response, next: NextFunction): void {
  const traceId = traceIdOf(req.get('traceparent'));
  const context = { id: requestIdOf(req.get('x-request-id')) ?? traceId ?? randomUUID(), traceId };
  res.set('x-request-id', context.id);
  storage.run(context, next);
}

/** The client's id, if it is one: it goes into logs and headers, and must not be able to say anything else there. */
export function requestIdOf(header: string | undefined): string | undefined {
  return header !== undefined && /^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$/.test(header) ? header : undefined;
}

/** The trace id of a `traceparent`, if it is well-formed: `00-<trace id>-<parent id>-<flags>`. */
export function traceIdOf(header: string | undefined): string | undefined {
  const traceId = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?$/.exec(
    header ?? '',
  )?.[1];
  return traceId === undefined || /^0+$/.test(traceId) ? undefined : traceId;
}
