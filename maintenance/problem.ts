// What is answered when something is not done: problem details (RFC 9457), with the codes of the contract.
import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { type ErrorCode, Refusal } from '../contract/errors.ts';
import { redact } from '../shared/text/redact.ts';

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  E_PARAMS: 400,
  E_BUSY: 409,
  E_MEMORY: 503,
  E_DISK: 507,
};

/** An answer that says no more than its status does: to strangers, and about a path or a method. */
export class Problem extends Error {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;

  constructor(status: number, headers: OutgoingHttpHeaders = {}) {
    super(STATUS_CODES[status]);
    this.status = status;
    this.headers = headers;
  }
}

/** Answers with the problem that was thrown; anything but a `Problem` or a `Refusal` is an E_INTERNAL. */
export function sendProblem(res: ServerResponse, thrown: unknown): void {
  if (thrown instanceof Problem) {
    send(res, thrown.status, {}, thrown.headers);
    return;
  }
  const { code, message, hint } =
    thrown instanceof Refusal
      ? thrown
      : new Refusal('E_INTERNAL', `pm2-ops itself failed: ${(thrown as Error).message}`, 'the log of the app has more');
  send(res, STATUS_OF[code] ?? 500, { detail: redact(message), code, hint: redact(hint) });
}

function send(res: ServerResponse, status: number, fields: object, headers: OutgoingHttpHeaders = {}): void {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, ...fields });
  res.writeHead(status, { ...headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  res.end(body);
}
