// What is answered when something is not done: problem details (RFC 9457), with the codes of the contract.
import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from 'node:http';
import { failureOf } from '../agent/failure.ts';
import type { ErrorCode } from '../contract/errors.ts';
import { Refusal } from '../contract/errors.ts';

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
export function sendProblem(res: ServerResponse, action: string, thrown: unknown): void {
  if (thrown instanceof Problem) {
    send(res, thrown.status, {}, thrown.headers);
    return;
  }
  const { code, message, hint } = failureOf(action, thrown);
  const status = thrown instanceof Refusal ? (STATUS_OF[code] ?? 500) : 500;
  send(res, status, { detail: message, code, hint });
}

function send(res: ServerResponse, status: number, fields: object, headers: OutgoingHttpHeaders = {}): void {
  const body = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status, ...fields });
  res.writeHead(status, { ...headers, 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' });
  res.end(body);
}
