import assert from 'node:assert/strict';
import { get } from 'node:http';
import { it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ask, freePort, start } from './service.js';

const TOKEN = 'a-token-for-the-tests-0123456789';
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

it('has no maintenance routes without a token, nor on the public port with one', async (t) => {
  const opsPort = await freePort();
  const without = start(t, { OPS_PORT: String(opsPort) });
  assert.equal((await ask(await without.port(), '/ops/status', bearer(''))).status, 404);
  await assert.rejects(ask(opsPort, '/ops/status', bearer('')), /ECONNREFUSED/);

  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort) });
  assert.equal((await ask(await service.port(), '/ops/status', bearer(TOKEN))).status, 404);
  await service.logged(/^ops: listening/);
  const status = await ask(opsPort, '/ops/status', bearer(TOKEN));
  assert.equal(status.status, 200);
  const { state, ready, pid, checks } = JSON.parse(status.body);
  assert.deepEqual([state, ready, pid, checks], ['serving', true, service.child.pid, []]);
});

it('has them on the public port where that was asked for', async (t) => {
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(await freePort()), OPS_PUBLIC: 'true' });
  const port = await service.port();
  assert.equal((await ask(port, '/ops/status')).status, 401);
  assert.equal((await ask(port, '/ops/status', bearer(TOKEN))).status, 200);
});

it('refuses without details, and an address that sends many wrong tokens altogether; the log names it', async (t) => {
  const opsPort = await freePort();
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort) });
  await service.logged(/^ops: listening/);
  const missing = await ask(opsPort, '/ops/status');
  assert.deepEqual([missing.status, missing.body], [401, '{"error":"unauthorized"}']);
  const wrong = await ask(opsPort, '/ops/heapdump', bearer(`${TOKEN}x`));
  assert.deepEqual([wrong.status, wrong.body], [403, '{"error":"forbidden"}']);
  const statuses: number[] = [];
  for (let i = 0; i < 12; i++) statuses.push((await ask(opsPort, '/ops/status', bearer('wrong'))).status);
  assert.deepEqual(statuses.slice(0, 8), Array(8).fill(403));
  assert.deepEqual(statuses.slice(8), Array(4).fill(429));
  assert.equal((await ask(opsPort, '/ops/status', bearer(TOKEN))).status, 429);
  const { level, address } = await service.logged(/^ops: 10 wrong tokens from 127\.0\.0\.1, refused for 60 s$/);
  assert.deepEqual([level, address], ['error', '127.0.0.1']);
  assert.equal(service.log().filter(({ message }) => /refused/.test(message)).length, 11);
  assert.doesNotMatch(service.stdout, new RegExp(TOKEN));
});

it('streams a heap dump, and tells who leaks', async (t) => {
  const opsPort = await freePort();
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort) });
  await service.logged(/^ops: listening/);
  const dump = await new Promise<Buffer>((resolve, reject) => {
    const options = { host: '127.0.0.1', port: opsPort, path: '/ops/heapdump?gzip=true&force=true', ...bearer(TOKEN) };
    get(options, (response) => {
      assert.match(String(response.headers['content-disposition']), /\.heapsnapshot\.gz/);
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(Buffer.concat(chunks)));
      response.on('error', reject);
    }).on('error', reject);
  });
  const { snapshot, strings } = JSON.parse(gunzipSync(dump).toString());
  assert.ok(snapshot.node_count > 10_000);
  assert.ok(strings.includes(TOKEN), 'it holds secrets, as SECURITY says');

  const [report, other] = await Promise.all([
    ask(opsPort, '/ops/leak-report?seconds=1', bearer(TOKEN)),
    ask(opsPort, '/ops/leak-report?seconds=1', bearer(TOKEN)),
  ]);
  assert.deepEqual([report.status, other.status].sort(), [200, 409]);
  const { verdict, heapAfterGcBytes, sites } = JSON.parse(report.status === 200 ? report.body : other.body);
  assert.ok(['steady', 'unclear', 'growing'].includes(verdict));
  assert.equal(heapAfterGcBytes.length, 5);
  assert.ok(Array.isArray(sites)); // An idle second may leave nothing; leakReport.test.ts has what leaks.
  assert.equal((await ask(opsPort, '/ops/leak-report?seconds=0', bearer(TOKEN))).status, 400);
});
