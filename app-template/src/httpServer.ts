// The HTTP server's settings: how much a client may cost, and for how long.

import { createServer, type RequestListener, type Server } from 'node:http';

/** nginx (nginx/app-template.conf) ends its idle connections earlier, clients read it in the header Keep-Alive, and
 * kill_timeout is longer. */
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
/** A client that needs longer for its headers only holds a connection. */
const LONGEST_HEADERS_TIMEOUT_MS = 10_000;
/** All headers of a request together; more is answered with 431. */
const MAX_HEADERS_BYTES = 16 * 1024;

/** @param requestTimeoutMs how long a client may take to send a whole request: then 408 */
export function createHttpServer(handle: RequestListener, requestTimeoutMs: number): Server {
  return createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      headersTimeout: Math.min(LONGEST_HEADERS_TIMEOUT_MS, requestTimeoutMs),
      requestTimeout: requestTimeoutMs,
      // How often Node looks for connections that are over time; 30 s unless told.
      connectionsCheckingInterval: Math.min(1_000, requestTimeoutMs / 4),
      maxHeaderSize: MAX_HEADERS_BYTES,
    },
    handle,
  );
}
