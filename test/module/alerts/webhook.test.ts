import assert from 'node:assert/strict';
import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import https from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { Alert } from '../../../contract/alerts.ts';
import { createWebhook } from '../../../module/alerts/webhook.ts';
import { certificate } from '../../drain/certificate.ts';
import { anAlert } from './records.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe('a webhook', () => {
  const seen: { path: string; body: string; headers: http.IncomingHttpHeaders }[] = [];
  let answer: Answer;
  let server: http.Server;
  let port = 0;
  const listener: RequestListener = (request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      body += part;
    });
    request.on('end', () => {
      seen.push({ path: request.url ?? '', body, headers: request.headers });
      answer(request, response);
    });
  };
  before(async () => {
    server = await listening(http.createServer(listener));
    port = portOf(server);
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  const send = (url: string, as: Answer, withinMs = 10_000) => {
    answer = as;
    seen.length = 0;
    const webhook = createWebhook({ url: new URL(url), format: 'json', withinMs });
    return webhook.deliver(anAlert(), new AbortController().signal);
  };
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;

  it('gets the alert as JSON, with the password of its URL as it is meant', async () => {
    const outcome = await send(`http://ops:p%40ss@127.0.0.1:${port}/hook?key=1`, (_request, response) =>
      response.end(),
    );
    assert.deepEqual(outcome, { ok: true, said: `127.0.0.1:${port} answered 200` });
    const [{ path, body, headers } = { path: '', body: '{}', headers: {} }] = seen;
    const { id, state, title } = JSON.parse(body) as Alert;
    assert.deepEqual([path, id, state, title], ['/hook?key=1', 'one', 'firing', 'web (id 3): uncaught Error: boom']);
    assert.equal(headers.authorization, `Basic ${Buffer.from('ops:p@ss').toString('base64')}`);
    assert.match(String(headers['user-agent']), /^pm2-ops\//);
  });

  it('that fails is told with what it said, but with nothing of the URL except its host', async () => {
    const secret = `http://ops:hunter22@127.0.0.1:${port}/services/T0001/xyzzy?key=sesame`;
    const outcome = await send(secret, (request, response) => {
      response.statusCode = 404;
      response.end(`no ${request.url} \u001b[31m xyzzy sesame hunter22`);
    });
    assert.equal(outcome.ok, false);
    assert.equal(outcome.isRejected, true);
    assert.match(outcome.said, /^127\.0\.0\.1:\d+: answered 404: no \[redacted\]/);
    assert.doesNotMatch(outcome.said, /xyzzy|sesame|hunter22|T0001|\p{Cc}/u);
  });

  it('that answers with a redirect is not followed', async () => {
    const outcome = await send(url('/a'), (_request, response) =>
      response.writeHead(302, { location: url('/b') }).end(),
    );
    assert.match(outcome.said, /answered 302; redirects are not followed/);
    assert.deepEqual(
      seen.map(({ path }) => path),
      ['/a'],
    );
  });

  it('that asks for a pause gets one, of a quarter of an hour at most', async () => {
    const asking = (seconds: string) =>
      send(url('/'), (_request, response) => response.writeHead(429, { 'retry-after': seconds }).end());
    const { retryAfterMs, isRejected } = await asking('7');
    assert.deepEqual([retryAfterMs, isRejected], [7_000, undefined]);
    assert.equal((await asking('999999')).retryAfterMs, 900_000);
    assert.equal((await asking('soon')).retryAfterMs, undefined);
  });

  it('that does not answer, or not to the end, is given up after its time', { timeout: 20_000 }, async () => {
    const silent = await send(url('/'), () => {}, 100);
    assert.match(silent.said, /no answer within 100 ms/);
    const half = (_request: IncomingMessage, response: ServerResponse) => response.writeHead(500).write('half');
    assert.match((await send(url('/'), half, 100)).said, /no answer within 100 ms/);
  });

  it('that answers with 100 MB is not read to the end', async () => {
    let written = 0;
    const closed = new Promise<void>((resolve) => {
      void send(url('/'), (_request, response) => {
        response.writeHead(500);
        response.on('close', resolve);
        const part = Buffer.alloc(2 ** 20, 'x');
        const more = () => {
          while (written < 100 && !response.destroyed) {
            written += 1;
            if (!response.write(part)) return void response.once('drain', more);
          }
          response.end();
        };
        more();
      }).then(({ said }) => assert.ok(said.length < 300));
    });
    await closed;
    assert.ok(written < 50, `${written} MB were taken`);
  });

  it('with a certificate that nobody has signed gets nothing, whatever the environment says', async () => {
    const secure = await listening(https.createServer(certificate(), listener));
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    try {
      const outcome = await send(`https://localhost:${portOf(secure)}/`, (_request, response) => response.end());
      assert.equal(outcome.ok, false);
      assert.match(outcome.said, /self-signed certificate/);
      assert.equal(seen.length, 0);
    } finally {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
      secure.close();
    }
  });

  it('that nobody runs, or whose try is ended, is a failure and no exception', async () => {
    const gone = await listening(http.createServer());
    const free = portOf(gone);
    await new Promise((resolve) => gone.close(resolve));
    assert.match((await send(`http://127.0.0.1:${free}/`, () => {})).said, /ECONNREFUSED/);
    const webhook = createWebhook({ url: new URL(url('/')), format: 'slack' });
    answer = () => {};
    assert.equal((await webhook.deliver(anAlert(), AbortSignal.abort())).ok, false);
  });
});

async function listening<T extends http.Server | https.Server>(server: T): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

function portOf(server: http.Server | https.Server): number {
  return (server.address() as { port: number }).port;
}
