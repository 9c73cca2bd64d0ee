// The routes: which request is for which of them, one dump or report at a time, and what they answer.
import { constants } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { getHeapStatistics } from 'node:v8';
import { action as leakReport } from '../contract/actions/leakReport.ts';
import { Refusal } from '../contract/errors.ts';
import { checkHeadroom, writeHeapSnapshot } from '../diagnostics/heapSnapshot.ts';
import { reportLeaks } from '../diagnostics/leakReport.ts';
import { openRegular } from '../shared/files/regularFile.ts';
import { createGuard } from './access.ts';
import { Problem, sendProblem } from './problem.ts';
import { readQuery } from './query.ts';
import { ceilingOf, createStore } from './store.ts';
import type { MaintenanceHandler, MaintenanceLog, MaintenanceOptions } from './types.ts';

const HEAPDUMP = { gzip: { default: false }, force: { default: false }, download: { default: false } };
const LEAK_REPORT = leakReport.params;

interface Asked {
  req: IncomingMessage;
  res: ServerResponse;
  query: URLSearchParams;
}

interface Route {
  methods: readonly string[];
  answer(asked: Asked): Promise<void>;
}

/** Makes the handler that `maintenance` gives to the app. @throws {TypeError} for options that cannot be */
export function createRoutes(options: MaintenanceOptions): MaintenanceHandler {
  const log = options.log ?? consoleLog;
  const guard = createGuard(options.token, log);
  const store = createStore(options);
  const prefix = prefixOf(options.path);
  let running: string | undefined;

  /** Dumps and reports stop the process for a while and need memory. */
  const alone = async (action: string, work: () => Promise<void>) => {
    if (running !== undefined)
      throw new Refusal('E_BUSY', `${running} is already running in this process`, 'ask again when it is done');
    running = action;
    try {
      await work();
    } finally {
      running = undefined;
    }
  };

  const routes: Record<string, Route> = {
    status: {
      methods: ['GET'],
      async answer({ res, query }) {
        readQuery(query, {});
        sendJson(res, { ...(await options.status?.()), ...statusOfProcess() });
      },
    },
    heapdump: {
      methods: ['POST', 'GET'],
      async answer({ req, res, query }) {
        const { gzip, force, download } = readQuery(query, HEAPDUMP);
        // A link for `curl -OJ` is a download.
        const sent = download || req.method === 'GET';
        await alone('heapdump', async () => {
          checkHeadroom(store, { force, ...ceilingOf() });
          const started = performance.now();
          // A dump that is not kept takes the place of none that is.
          const target = sent ? { ...store, keep: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER } : store;
          const dump = await writeHeapSnapshot(target, { gzip, progress() {} });
          const ms = Math.round(performance.now() - started);
          log.warn({ heapUsed: dump.heapUsed, ms }, 'ops: wrote a heap dump');
          if (sent) await sendFile(res, dump);
          else sendJson(res, { ...dump, ms });
        });
      },
    },
    'leak-report': {
      methods: ['POST', 'GET'],
      async answer({ res, query }) {
        const { seconds } = readQuery(query, LEAK_REPORT);
        await alone('leak-report', async () => {
          const run = { progress() {}, onEnd: (stop: (why: Error) => void) => whenClientLeaves(res, stop) };
          sendJson(res, await reportLeaks(store, { seconds, longestSeconds: LEAK_REPORT.seconds.max }, run));
        });
      },
    },
  };

  return (req, res, next) => {
    const [pathname = '/', query = ''] = (req.url ?? '/').split('?', 2);
    if (pathname !== prefix && !pathname.startsWith(`${prefix}/`)) {
      if (next !== undefined) next();
      else sendProblem(res, new Problem(404));
      return;
    }
    const name = pathname.slice(prefix.length + 1);
    const answer = async () => {
      guard(req, pathOf(req));
      const route = Object.hasOwn(routes, name) ? routes[name] : undefined;
      if (route === undefined) throw new Problem(404);
      if (!route.methods.includes(req.method ?? '')) throw new Problem(405, { Allow: route.methods.join(', ') });
      await route.answer({ req, res, query: new URLSearchParams(query) });
    };
    answer().catch((error: unknown) => {
      // A client that left hears nothing, and an answer that has begun cannot become another.
      const late = res.headersSent || res.destroyed;
      if (!late && !isExpected(error)) log.error({ err: error }, `ops: ${name} failed`);
      if (late) res.destroy();
      else sendProblem(res, error);
    });
  };
}

function isExpected(error: unknown): boolean {
  return error instanceof Problem || error instanceof Refusal;
}

/** `/ops` and `ops/` are the same; nothing for the root. */
function prefixOf(path = ''): string {
  const inner = path.replace(/^\/+|\/+$/g, '');
  return inner === '' ? '' : `/${inner}`;
}

/** As the client asked, for the log, without the query. */
function pathOf({ url = '/', originalUrl = url }: IncomingMessage & { originalUrl?: string }): string {
  return originalUrl.replace(/\?.*$/s, '');
}

function statusOfProcess(): object {
  return {
    pid: process.pid,
    instance: Number(process.env.NODE_APP_INSTANCE ?? 0),
    node: process.version,
    uptimeSeconds: Math.round(process.uptime()),
    memory: process.memoryUsage(),
    heapLimitBytes: getHeapStatistics().heap_size_limit,
  };
}

function sendJson(res: ServerResponse, fields: object): void {
  res.writeHead(200, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
  res.end(JSON.stringify(fields));
}

/** Sends a file and removes it: its name goes before the first byte is sent. */
async function sendFile(res: ServerResponse, { file, bytes }: { file: string; bytes: number }): Promise<void> {
  let handle: Awaited<ReturnType<typeof openRegular>>;
  try {
    handle = await openRegular(file, constants.O_RDONLY);
  } finally {
    await rm(file, { force: true });
  }
  res.writeHead(200, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': bytes,
    'Content-Disposition': `attachment; filename="${asciiOf(basename(file))}"`,
    'Cache-Control': 'no-store',
  });
  await pipeline(handle.createReadStream(), res);
}

/** Headers hold ASCII; an app's name may be Chinese. */
function asciiOf(name: string): string {
  return name.replace(/[^\x20-\x7e]|["\\]/g, '_');
}

/** @returns takes it back */
function whenClientLeaves(res: ServerResponse, stop: (why: Error) => void): () => void {
  const left = () => stop(new Error('the client left'));
  res.once('close', left);
  return () => void res.off('close', left);
}

const consoleLog: MaintenanceLog = {
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
};
