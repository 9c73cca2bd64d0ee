// Sends an alert to a URL that the operator has set. It speaks to that server and no other: it follows no redirect, uses no proxy,
// and believes no certificate that Node does not, whatever the daemon's environment says. What it tells of the URL is its host.
import type { IncomingMessage, RequestOptions } from 'node:http';
import type { Alert } from '../../contract/alerts.ts';
import type { Settings } from '../../contract/settings.ts';
import { VERSION } from '../../contract/version.ts';
import type { Attempt, Channel } from './channel.ts';
import { safeLine } from './safeText.ts';
import { slackBody } from './slack.ts';

/** For the whole exchange. */
const WITHIN_MS = 10_000;
/** So much of an answer is read. */
const MOST_BYTES = 2_048;
/** So much of it is told. */
const LONGEST_ANSWER = 150;
/** A server may ask for no longer pause than that. */
const LONGEST_PAUSE_MS = 15 * 60_000;
/** Answers of a server that would take the same alert later. */
const LATER: ReadonlySet<number> = new Set([408, 425, 429]);

export interface WebhookOptions {
  url: URL;
  format: Settings['alert_format'];
  withinMs?: number;
}

export function createWebhook({ url, format, withinMs = WITHIN_MS }: WebhookOptions): Channel {
  const secrets = secretsOf(url);
  const shown = (text: string) =>
    safeLine(secrets.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)).slice(0, LONGEST_ANSWER);
  const failed = (what: string): Attempt => ({ ok: false, said: `${url.host}: ${what}` });
  return { name: 'webhook', to: url.host, withinMs, deliver };

  async function deliver(alert: Alert, signal: AbortSignal): Promise<Attempt> {
    const body = format === 'slack' ? slackBody(alert) : JSON.stringify(alert);
    const timer = AbortSignal.timeout(withinMs);
    try {
      const response = await post(body, AbortSignal.any([timer, signal]));
      const { statusCode = 0, headers } = response;
      if (statusCode >= 200 && statusCode < 300) {
        response.destroy();
        return { ok: true, said: `${url.host} answered ${statusCode}` };
      }
      const answer = shown(await beginOf(response));
      if (statusCode >= 300 && statusCode < 400)
        return failed(`answered ${statusCode}; redirects are not followed: set alert_url to where it really is`);
      const retryAfterMs = pauseOf(headers['retry-after']);
      return {
        ...failed(`answered ${statusCode}${answer === '' ? '' : `: ${answer}`}`),
        ...(statusCode >= 400 && statusCode < 500 && !LATER.has(statusCode) ? { isRejected: true } : {}),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      };
    } catch (error) {
      if (timer.aborted) return failed(`no answer within ${withinMs} ms`);
      return failed(shown((error as Error).message || String((error as NodeJS.ErrnoException).code)));
    }
  }

  async function post(body: string, signal: AbortSignal): Promise<IncomingMessage> {
    // Loaded on first use: TLS takes memory that a module without a webhook does not need.
    const { request, Agent } = url.protocol === 'https:' ? await import('node:https') : await import('node:http');
    const options: RequestOptions & { rejectUnauthorized: boolean } = {
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port,
      path: `${url.pathname}${url.search}`,
      ...(url.username === ''
        ? {}
        : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        'user-agent': `pm2-ops/${VERSION}`,
      },
      // Node's own agent may use the proxy that the environment names.
      agent: new Agent({ keepAlive: false }),
      rejectUnauthorized: true,
      signal,
    };
    return new Promise((resolve, reject) => {
      const sent = request(options, resolve);
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

/** The first bytes of an answer; the rest is not read. */
async function beginOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    bytes += part.length;
    if (bytes >= MOST_BYTES) break;
  }
  return Buffer.concat(parts).subarray(0, MOST_BYTES).toString();
}

/** Parts of the URL that a server, or an error of Node's, may say back. */
function secretsOf({ pathname, search, username, password }: URL): string[] {
  const parts = [pathname, search, username, password, ...pathname.split('/'), ...search.slice(1).split(/[&=]/)];
  return [...new Set([...parts, ...parts.map(decoded)])]
    .filter((part) => part.length > 3)
    .sort((a, b) => b.length - a.length);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** `Retry-After` in seconds; the form with a date is as good as none. */
function pauseOf(header: string | undefined): number | undefined {
  const seconds = Number(header);
  return header !== undefined && seconds > 0 ? Math.min(seconds * 1_000, LONGEST_PAUSE_MS) : undefined;
}
