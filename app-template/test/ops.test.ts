import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ask, freePort, start } from './service.js';

const TOKEN = 'a-token-for-the-tests-0123456789';
const folder = mkdtempSync(join(tmpdir(), 'ops-'));
after(() => rmSync(folder, { recursive: true }));
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

it('has no maintenance routes without a token, nor on the public port with one', async (t) => {
  const opsPort = await freePort();
  const without = start(t, { OPS_PORT: String(opsPort), OPS_FOLDER: folder });
  assert.equal((await ask(await without.port(), '/ops/status', bearer(''))).status, 404);
  await assert.rejects(ask(opsPort, '/ops/status', bearer('')), /ECONNREFUSED/);

  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort), OPS_FOLDER: folder });
  assert.equal((await ask(await service.port(), '/ops/status', bearer(TOKEN))).status, 404);
  await service.logged(/^ops: listening/);
  const status = await ask(opsPort, '/ops/status', bearer(TOKEN));
  assert.equal(status.status, 200);
  const { state, ready, pid, checks } = JSON.parse(status.body);
  assert.deepEqual([state, ready, pid, checks], ['serving', true, service.child.pid, []]);
});

it('has them on the public port where that was asked for', async (t) => {
  const service = start(t, {
    OPS_TOKEN: TOKEN,
    OPS_PORT: String(await freePort()),
    OPS_FOLDER: folder,
    OPS_PUBLIC: 'true',
  });
  const port = await service.port();
  assert.equal((await ask(port, '/ops/status')).status, 401);
  assert.equal((await ask(port, '/ops/status', bearer(TOKEN))).status, 200);
});

it('refuses without details, and an address that sends many wrong tokens altogether; the log names it', async (t) => {
  const opsPort = await freePort();
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort), OPS_FOLDER: folder });
  await service.logged(/^ops: listening/);
  const missing = await ask(opsPort, '/ops/status');
  assert.deepEqual([missing.status, JSON.parse(missing.body).title], [401, 'Unauthorized']);
  const wrong = await ask(opsPort, '/ops/heapdump', bearer(`${TOKEN}x`));
  assert.deepEqual([wrong.status, JSON.parse(wrong.body).title], [403, 'Forbidden']);
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

it('sends a heap dump, and tells who leaks', async (t) => {
  const opsPort = await freePort();
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort), OPS_FOLDER: folder });
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
  assert.deepEqual(readdirSync(join(folder, 'dumps')), [], 'what was sent is not kept');

  const post = { method: 'POST', ...bearer(TOKEN) };
  const kept = JSON.parse((await ask(opsPort, '/ops/heapdump?force=true', post)).body);
  assert.match(kept.file, /^.*app-template-0-\d+-\d{8}T\d{9}Z\.heapsnapshot$/);
  const [report, other] = await Promise.all([
    ask(opsPort, '/ops/leak-report?seconds=5', post),
    ask(opsPort, '/ops/leak-report?seconds=5', post),
  ]);
  assert.deepEqual([report.status, other.status].sort(), [200, 409]);
  const { verdict, reason, sites } = JSON.parse(report.status === 200 ? report.body : other.body);
  assert.ok(['steady', 'unclear', 'growing'].includes(verdict));
  assert.ok(reason.length > 0 && Array.isArray(sites));
  assert.equal((await ask(opsPort, '/ops/leak-report?seconds=0', post)).status, 400);
});

it('answers so many requests in a minute and no more, also to those who have the token', async (t) => {
  const opsPort = await freePort();
  const service = start(t, { OPS_TOKEN: TOKEN, OPS_PORT: String(opsPort), OPS_FOLDER: folder });
  await service.logged(/^ops: listening/);
  const statuses: number[] = [];
  for (let i = 0; i < 121; i++) statuses.push((await ask(opsPort, '/ops/status', bearer(TOKEN))).status);
  assert.equal(statuses.indexOf(429), 120);
});
