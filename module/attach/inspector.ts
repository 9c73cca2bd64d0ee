// A small client of Node's inspector: connect to a port, evaluate, disconnect. Every wait has a deadline.

import { get } from 'node:http';
import type { Socket } from 'node:net';

export interface Endpoint {
  host: string;
  port: number;
}

export interface EvaluateOptions {
  /** How long to wait for the answer. Default 1000. */
  timeoutMs?: number;
  /** Gives the expression the helpers of the DevTools console, `require` among them. */
  commandLineApi?: boolean;
}

export interface InspectorSession {
  /** Evaluates in the main context and returns the value, copied through JSON. Throws InspectorError. */
  evaluate(expression: string, options?: EvaluateOptions): Promise<unknown>;
  /** Sends an expression and disconnects at once, without waiting for its answer. */
  evaluateAndLeave(expression: string, options?: Pick<EvaluateOptions, 'commandLineApi'>): Promise<void>;
  /** Disconnects. Resolves when our side of the connection is closed. */
  close(): Promise<void>;
}

export type InspectorErrorCode = 'unreachable' | 'no-inspector' | 'timeout' | 'disconnected' | 'exception';

export class InspectorError extends Error {
  readonly code: InspectorErrorCode;
  constructor(code: InspectorErrorCode, message: string) {
    super(message);
    this.name = 'InspectorError';
    this.code = code;
  }
}

const DEFAULT_TIMEOUT_MS = 1000;
const LEAVE_MS = 100;
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** The part of a protocol message that this client reads. */
interface Answer {
  id?: number;
  error?: { message: string };
  result?: {
    result?: { value?: unknown; description?: string };
    exceptionDetails?: { text: string; exception?: { description?: string; value?: unknown } };
  };
}

/** Does an inspector listen there? Asks over HTTP, because a session makes the app write "Debugger attached". */
export async function isInspector({ host, port }: Endpoint, timeoutMs = DEFAULT_TIMEOUT_MS): Promise<boolean> {
  try {
    await targetPath(host, port, timeoutMs);
    return true;
  } catch {
    return false;
  }
}

/** Connects to the inspector at an endpoint, or on a port of this host. Throws InspectorError. */
export async function connect(
  endpoint: number | Endpoint,
  { timeoutMs = DEFAULT_TIMEOUT_MS }: { timeoutMs?: number } = {},
): Promise<InspectorSession> {
  const { host, port } = typeof endpoint === 'number' ? { host: '127.0.0.1', port: endpoint } : endpoint;
  const deadline = performance.now() + timeoutMs;
  const path = await targetPath(host, port, timeoutMs);
  // Imported on first use, because the guard hardly ever connects.
  const { WebSocket } = await import('ws');
  const url = `ws://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  const socket = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: Math.max(1, deadline - performance.now()),
    maxPayload: MAX_ANSWER_BYTES,
  });
  let tcp: Socket | undefined;
  socket.once('upgrade', (response) => {
    tcp = response.socket;
  });
  const waiting = new Map<number, (answer: Answer | InspectorError) => void>();
  let nextId = 0;
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => {
      for (const answer of waiting.values()) {
        answer(new InspectorError('disconnected', 'the process closed the connection'));
      }
      waiting.clear();
      resolve();
    });
  });
  socket.on('message', (data) => {
    const answer = JSON.parse(String(data)) as Answer;
    if (answer.id === undefined) return;
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.on('error', (error) => reject(new InspectorError('unreachable', error.message)));
  });

  const request = (id: number, expression: string, commandLineApi: boolean) =>
    JSON.stringify({
      id,
      method: 'Runtime.evaluate',
      // Silent, so that a debugger that pauses on exceptions does not pause the app at one of ours.
      params: { expression, returnByValue: true, silent: true, includeCommandLineAPI: commandLineApi },
    });
  const close = () => {
    // No closing handshake: a blocked app would not answer it.
    socket.terminate();
    return closed;
  };
  return {
    close,
    evaluate(expression, { timeoutMs = DEFAULT_TIMEOUT_MS, commandLineApi = false } = {}) {
      return new Promise((resolve, reject) => {
        const id = ++nextId;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(new InspectorError('timeout', `no answer within ${timeoutMs} ms`));
        }, timeoutMs);
        waiting.set(id, (answer) => {
          clearTimeout(timer);
          try {
            resolve(answerValue(answer));
          } catch (error) {
            reject(error);
          }
        });
        if (socket.readyState === socket.OPEN) socket.send(request(id, expression, commandLineApi));
        else waiting.get(id)?.(new InspectorError('disconnected', 'the connection is closed'));
      });
    },
    evaluateAndLeave(expression, { commandLineApi = false } = {}) {
      if (socket.readyState !== socket.OPEN) return close();
      socket.send(request(++nextId, expression, commandLineApi));
      // The kernel delivers what it has already taken, and then the end of the connection, even if this process exits.
      if (socket.bufferedAmount === 0) tcp?.destroy();
      else tcp?.end();
      const timer = setTimeout(close, LEAVE_MS);
      return closed.finally(() => clearTimeout(timer));
    },
  };
}

function answerValue(answer: Answer | InspectorError): unknown {
  if (answer instanceof InspectorError) throw answer;
  if (answer.error) throw new InspectorError('exception', answer.error.message);
  const { exceptionDetails, result } = answer.result ?? {};
  if (exceptionDetails) {
    const { exception, text } = exceptionDetails;
    throw new InspectorError('exception', exception?.description ?? String(exception?.value ?? text));
  }
  return result?.value;
}

/** The path of the WebSocket that the inspector on a port offers. Rejects if no inspector listens there. */
function targetPath(host: string, port: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => request.destroy(new InspectorError('timeout', `no answer within ${timeoutMs} ms`)),
      timeoutMs,
    );
    const request = get({ host, port, path: '/json/list', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > 65_536) response.destroy(new InspectorError('no-inspector', 'not an inspector'));
      });
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(timer);
        // The inspector cannot close while a connection is open, even an idle one.
        request.destroy();
        const path = parsePath(text);
        if (path) resolve(path);
        else reject(new InspectorError('no-inspector', `port ${port} is not an inspector's`));
      });
    });
    function fail(error: Error) {
      clearTimeout(timer);
      reject(error instanceof InspectorError ? error : new InspectorError('unreachable', error.message));
    }
    request.on('error', fail);
  });
}

function parsePath(text: string): string | null {
  try {
    const [target] = JSON.parse(text) as { webSocketDebuggerUrl?: string; id?: string }[];
    return (
      target?.webSocketDebuggerUrl?.match(/^ws:\/\/[^/]+(\/[\w-]+)$/)?.[1] ?? (target?.id ? `/${target.id}` : null)
    );
  } catch {
    return null;
  }
}
