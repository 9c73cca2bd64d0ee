import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ask, start, until } from './service.js';

const json = { method: 'POST', headers: { 'content-type': 'application/json' } };

it('answers, and writes one line of JSON for it with time, level, app, instance and the request id', async (t) => {
  const service = start(t, { NODE_APP_INSTANCE: '3' });
  const { status, headers, body } = await ask(await service.port(), '/?token=secret');
  assert.equal(status, 200);
  assert.deepEqual(Object.keys(JSON.parse(body)), ['pid', 'instance']);
  const { timestamp, ms, ...line } = await service.logged(/^request$/);
  assert.ok(Math.abs(Date.now() - Date.parse(String(timestamp))) < 60_000);
  assert.equal(typeof ms, 'number');
  assert.deepEqual(line, {
    level: 'info',
    app: 'app-template',
    instance: 3,
    pid: service.child.pid,
    requestId: headers['x-request-id'],
    method: 'GET',
    path: '/',
    status: 200,
    message: 'request',
  });
});

it("takes the client's request id, or that of its trace", async (t) => {
  const service = start(t);
  const port = await service.port();
  const own = await ask(port, '/', { headers: { 'x-request-id': 'order-4711.a:b_c' } });
  assert.equal(own.headers['x-request-id'], 'order-4711.a:b_c');
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const traced = await ask(port, '/', { headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` } });
  assert.equal(traced.headers['x-request-id'], traceId);
  await service.logged(({ requestId }) => requestId === 'order-4711.a:b_c');
  await service.logged((line) => line.requestId === traceId && line.traceId === traceId);
});

it('replaces a malformed request id: nothing of it comes back, nor into the log', async (t) => {
  const service = start(t);
  const port = await service.port();
  for (const malformed of ['a b', '{"level":"fatal"}', '', 'x'.repeat(129), '\u00e9vil', '-rf', 'a\tb', '<script>'])
    for (const headers of [{ 'x-request-id': malformed }, { traceparent: malformed }] as Record<string, string>[]) {
      const answer = await ask(port, '/', { headers });
      assert.equal(answer.status, 200);
      assert.match(String(answer.headers['x-request-id']), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, malformed);
    }
  await until('all to be logged', () => service.log().filter(({ message }) => message === 'request').length === 16);
  assert.doesNotMatch(service.stdout, /fatal|xxxx|vil|-rf|script/);
});

it('refuses a body over the limit with 413, malformed JSON with 400, and serves on', async (t) => {
  const service = start(t, { BODY_LIMIT_BYTES: '1000' });
  const port = await service.port();
  const large = await ask(port, '/notes', json, JSON.stringify({ text: 'x'.repeat(1_000) }));
  assert.deepEqual([large.status, large.body], [413, '{"error":"the body is too large"}']);
  const malformed = await ask(port, '/notes', json, '{"text": secret');
  assert.deepEqual([malformed.status, malformed.body], [400, '{"error":"the body is not valid JSON"}']);
  const wrong = await ask(port, '/notes', json, '{"text":""}');
  assert.equal(wrong.status, 400);
  assert.equal((await ask(port, '/notes', json, '{"text":"hello"}')).status, 201);
  assert.match((await ask(port, '/notes')).body, /"text":"hello"/);
  assert.doesNotMatch(service.stdout, /secret|\bat \//);
});

it('answers a header flood with 431, an unknown path with 404, and serves on', async (t) => {
  const service = start(t);
  const port = await service.port();
  const flood = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`x-flood-${i}`, 'x'.repeat(100)]));
  assert.equal((await ask(port, '/', { headers: flood })).status, 431);
  assert.equal((await ask(port, '/', { headers: { cookie: 'x'.repeat(20_000) } })).status, 431);
  const unknown = await ask(port, '/unknown');
  assert.deepEqual([unknown.status, unknown.body], [404, '{"error":"not found"}']);
  assert.equal(unknown.headers['x-powered-by'], undefined);
  assert.equal((await ask(port)).status, 200);
});
