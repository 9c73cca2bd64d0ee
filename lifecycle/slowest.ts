// Finds out, before a reload does, that kill_timeout is too short for the slowest requests of this service.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { answersEventSource, isForEventSource } from '../drain/eventStreams.ts';
import type { ResponseInternals } from '../drain/nodeInternals.ts';
import { requestPath } from '../drain/requestPath.ts';

/**
 * Calls back once, for the first answer that took longer than `limitMs` milliseconds: `GET /path` and how long. The stream of
 * an EventSource is no such answer: it lasts until its client goes. Returns the undo.
 */
export function watchForSlow(
  servers: readonly Server[],
  limitMs: number,
  onSlow: (request: string, ms: number) => void,
): () => void {
  let told = false;
  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (told) return;
    const started = performance.now();
    response.once('finish', () => {
      const ms = performance.now() - started;
      if (told || ms <= limitMs || isEventStream(request, response)) return;
      told = true;
      undo();
      onSlow(`${request.method} ${pathOf(request)}`, ms);
    });
  };
  // Only where the app listens to requests itself: an HTTP/2 server whose app takes streams would make objects for ours.
  const watched = servers.filter((server) => server.listenerCount('request') > 0);
  for (const server of watched) server.prependListener('request', onRequest);
  const undo = () => {
    for (const server of watched) server.off('request', onRequest);
  };
  return undo;
}

/** What `writeHead` was given stands in the rendered head alone; responses of HTTP/2 have no such head. */
function isEventStream(request: IncomingMessage, response: ServerResponse): boolean {
  return (
    answersEventSource(response as unknown as ResponseInternals) ||
    isForEventSource(request, response.statusCode, response.getHeader('content-type'))
  );
}

/** Express changes `url` while it routes. */
function pathOf(request: IncomingMessage & { originalUrl?: string }): string {
  return requestPath(request.originalUrl ?? request.url ?? '');
}
