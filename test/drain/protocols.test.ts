import assert from 'node:assert/strict';
import http2 from 'node:http2';
import https from 'node:https';
import { test } from 'node:test';
import { certificate } from './certificate.ts';
import { type App, type Inside, onEveryNode, portOf, start, until } from './helper.ts';

type Result = { finished: number; closed: number; cut: number };
const drain = (app: App, options: object) => app.engine<Result>('drain', [options]);

async function http2App({ require, vars, listening }: Inside, tls: object | null) {
  const module = require('node:http2') as typeof http2;
  vars.requests = 0;
  const answer = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => {
    vars.requests++;
    const ms = Number(request.url.slice(1));
    if (ms < 0) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const timer = setInterval(() => response.write('data: tick\n\n'), 10);
      response.on('close', () => clearInterval(timer));
    } else setTimeout(() => response.end(`after ${ms}`), ms);
  };
  vars.server = tls
    ? module.createSecureServer({ ...tls, allowHTTP1: true }, answer as never)
    : module.createServer(answer);
  vars.server.listen(0, '127.0.0.1');
  await listening(vars.server);
}

async function session(app: App, secure: boolean): Promise<http2.ClientHttp2Session> {
  const client = http2.connect(`${secure ? 'https' : 'http'}://127.0.0.1:${await portOf(app)}`, {
    rejectUnauthorized: false,
  });
  await new Promise((resolve, reject) => {
    client.once('connect', resolve);
    client.once('error', reject);
  });
  return client;
}

function ask(client: http2.ClientHttp2Session, path: string, headers: http2.OutgoingHttpHeaders = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = client.request({ ':path': path, ...headers });
    let body = '';
    stream.setEncoding('utf8');
    stream.on('data', (chunk) => {
      body += chunk;
    });
    stream.on('end', () => resolve(body));
    stream.on('error', reject);
  });
}

onEveryNode('protocols', (node) => {
  test('an https server is drained like an http one', async (t) => {
    const app = await start(
      t,
      node,
      async ({ require, vars, listening }: Inside, tls: object) => {
        vars.server = (require('node:https') as typeof https).createServer(tls, (request, response) => {
          response.setHeader('Connection', 'keep-alive');
          setTimeout(() => response.end('secure'), Number(request.url?.slice(1)));
        });
        vars.server.listen(0, '127.0.0.1');
        await listening(vars.server);
      },
      [certificate()],
    );
    const port = await portOf(app);
    const agents = [1, 2, 3].map(() => new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }));
    t.after(() => agents.map((agent) => agent.destroy()));
    const get = (agent: https.Agent, path: string) =>
      new Promise<string>((resolve, reject) => {
        https
          .get({ host: '127.0.0.1', port, path, agent }, (response) => {
            let body = '';
            response.on('data', (chunk) => {
              body += chunk;
            });
            response.on('end', () => resolve(`${body} ${response.headers.connection}`));
          })
          .on('error', reject);
      });
    for (const agent of agents) assert.equal(await get(agent, '/0'), 'secure keep-alive');
    const slow = get(agents[0] as https.Agent, '/300');
    await app.load();
    await until('in flight', async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 1);
    assert.deepEqual(
      (await app.engine<object[]>('servers')).map((server) => ({ ...server, address: '' })),
      [{ kind: 'https', address: '', listening: true, connections: 3, inFlight: 1, keepAliveTimeoutMs: 5_000 }],
    );
    const draining = drain(app, { budgetMs: 10_000, graceMs: 1_000 });
    await until('it drains', async () => (await app.engine('state')) === 'draining');
    assert.equal(await get(agents[1] as https.Agent, '/0'), 'secure close');
    assert.equal(await slow, 'secure close');
    assert.deepEqual(await draining, { finished: 2, closed: 1, cut: 0 });
  });

  for (const secure of [false, true]) {
    const name = secure ? 'HTTP/2 over TLS' : 'HTTP/2 in clear text';
    test(`${name}: open streams are finished, and clients are asked to leave`, async (t) => {
      const app = await start(t, node, http2App, [secure ? certificate() : null]);
      const [busy, idle] = [await session(app, secure), await session(app, secure)];
      assert.equal(await ask(busy, '/0'), 'after 0');
      const goaways: number[] = [];
      idle.on('goaway', (code) => goaways.push(code));
      const gone = Promise.all([busy, idle].map((client) => new Promise((done) => client.once('close', done))));
      const slow = ask(busy, '/400');
      await app.load();
      await until('in flight', async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 1);
      assert.deepEqual(
        (await app.engine<object[]>('servers')).map((server) => ({ ...server, address: '' })),
        [{ kind: 'http2', address: '', listening: true, connections: 2, inFlight: 1 }],
      );
      const started = Date.now();
      const result = await drain(app, { budgetMs: 10_000 });
      assert.equal(await slow, 'after 400');
      assert.equal(Date.now() - started < 3_000, true);
      await gone;
      assert.equal(goaways[0], 0);
      assert.deepEqual(result, { finished: 1, closed: 2, cut: 0 });
    });

    test(`${name}: a busy client loses no stream while the server drains`, async (t) => {
      const app = await start(t, node, http2App, [secure ? certificate() : null]);
      const client = await session(app, secure);
      await app.load();
      let answered = 0;
      const failures: unknown[] = [];
      const asking = (async () => {
        while (!client.closed && !client.destroyed) {
          await Promise.all(
            Array.from({ length: 10 }, () =>
              ask(client, '/2').then(
                () => answered++,
                // What the client itself did not send any more, having been told, is no loss: it refuses such a stream.
                (error) =>
                  error.code === 'ERR_HTTP2_GOAWAY_SESSION' ||
                  /NGHTTP2_REFUSED_STREAM/.test(error.message) ||
                  failures.push(error),
              ),
            ),
          ).catch((error) => error.code === 'ERR_HTTP2_INVALID_SESSION' || failures.push(error));
        }
      })();
      await until('it is busy', () => answered > 50);
      const result = await drain(app, { budgetMs: 10_000 });
      await asking;
      assert.deepEqual(failures, []);
      assert.equal(answered, await app.run(({ vars }) => vars.requests, []));
      assert.equal(result.cut, 0);
      assert.equal(result.closed, 1);
    });

    test(`${name}: a stream that was on its way when the server asked to leave is answered`, async (t) => {
      const app = await start(t, node, http2App, [secure ? certificate() : null]);
      await app.run(({ vars }) => {
        vars.server.on('session', (session: http2.ServerHttp2Session) => {
          const { goaway } = session;
          session.goaway = (...args: []) => {
            goaway.apply(session, args);
            // Busy right after: whatever the client sends meanwhile it sends before it can know.
            process.send?.({ goaway: true });
            for (const end = Date.now() + 200; Date.now() < end; );
          };
        });
      }, []);
      const client = await session(app, secure);
      assert.equal(await ask(client, '/0'), 'after 0');
      const crossing: Promise<string>[] = [];
      app.child.on('message', (message: { goaway?: boolean }) => {
        if (message.goaway && crossing.length === 0) crossing.push(ask(client, '/0'), ask(client, '/1'));
      });
      await app.load();
      const result = await drain(app, { budgetMs: 10_000 });
      assert.equal(crossing.length, 2);
      assert.deepEqual(await Promise.all(crossing), ['after 0', 'after 1']);
      assert.deepEqual(result, { finished: 2, closed: 1, cut: 0 });
    });

    test(`${name}: an EventSource's stream ends cleanly in the budget's last part; what never ends is cut, a stream of events too`, async (t) => {
      const app = await start(t, node, http2App, [secure ? certificate() : null]);
      const client = await session(app, secure);
      const eventSource = ask(client, '/-1', { accept: 'text/event-stream' });
      const failed = (path: string, headers?: http2.OutgoingHttpHeaders) =>
        ask(client, path, headers).then(
          () => 'ended',
          () => 'cut',
        );
      const others = [failed('/60000'), failed('/-2', { ':method': 'POST' }), failed('/-3')];
      client.on('error', () => {});
      await app.load();
      await until('in flight', async () => (await app.engine<{ inFlight: number }>('totals')).inFlight === 4);
      const started = Date.now();
      // Its last part is long enough for a busy machine.
      const result = await drain(app, { budgetMs: 1_200 });
      assert.equal(Date.now() - started < 1_800, true);
      assert.match(await eventSource, /tick/);
      await Promise.all(others);
      assert.deepEqual(result, {
        finished: 0,
        closed: 1,
        cut: 3,
        cutRequests: [
          { method: 'GET', path: '/60000' },
          { method: 'POST', path: '/-2' },
          { method: 'GET', path: '/-3' },
        ],
      });
      assert.equal(await app.run(() => 'alive', []), 'alive');
    });
  }
});
