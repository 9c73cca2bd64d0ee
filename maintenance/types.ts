// What `maintenance` takes and gives. The build puts these into the package's one file of types.
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Where the routes say what happens. `console` is one, and so is a pino logger. */
export interface MaintenanceLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface MaintenanceOptions {
  /** The bearer token that opens the routes: at least 16 characters, such as `openssl rand -hex 32` makes. */
  token: string | undefined;
  /** Folder for heap dumps and profiles. It is made when it is missing; files are readable by this user only. */
  folder: string;
  /** Where the routes are, for `node:http`: `/ops`. Express takes that away from the URL: leave it out there. */
  path?: string;
  /** What the app is called in the names of files; PM2's name for it unless given. */
  name?: string;
  /** Newest heap dumps to keep (5), and their size in bytes at most (2 GiB). */
  keep?: number;
  maxBytes?: number;
  /** More fields of `GET status`, such as the readiness of the service. */
  status?(): object | Promise<object>;
  /** Where refused tokens and heap dumps are logged; `console` unless given. */
  log?: MaintenanceLog;
}

/** A handler for `app.use('/ops', …)` or for `createServer(…)`. Without `next` it answers other paths with 404. */
export type MaintenanceHandler = (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void) => void;
