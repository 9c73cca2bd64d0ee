import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import type http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Answer, ask, requests } from '../../testkit/clients.ts';
import { tempFolder } from '../../testkit/folders.ts';
import { get, untilServing } from '../../testkit/load.ts';
import { type Pm2, startPm2 } from '../../testkit/pm2.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';
import { certificate } from '../drain/certificate.ts';
import { type Nginx, nginxMissing, startNginx } from '../support/nginx.ts';

const CLIENTS = 32;

describe('app-template behind nginx, as nginx/app-template.conf has it', { skip: nginxMissing }, () => {
  let pm2: Pm2;
  let nginx: Nginx;
  const ports = { app: 0, http: 0, https: 0 };
  const folder = tempFolder();
  const site = readFileSync(join(TEMPLATE, 'nginx', 'app-template.conf'), 'utf8');

  before(async () => {
    for (const name of ['app', 'http', 'https'] as const) ports[name] = await freePort();
    [pm2] = await Promise.all([startPm2(), ensureTemplateBuilt()]);
    await pm2.okWith({ cwd: TEMPLATE, env: { PORT: String(ports.app) } }, 'start', 'ecosystem.config.cjs');
    await untilServing({ port: ports.app });
    cpSync(join(TEMPLATE, 'public'), join(folder, 'public'), { recursive: true });
    writeFileSync(join(folder, 'public', 'static', 'page.css'), 'p { color: green; }\n'.repeat(500));
    const { key, cert } = certificate();
    writeFileSync(join(folder, 'key.pem'), key);
    writeFileSync(join(folder, 'cert.pem'), cert);
    nginx = await startNginx(withOurs(site), () => through('/'));
  });
  after(async () => {
    await nginx?.stop();
    await pm2?.kill();
  });

  /** The site with what is "yours" in it replaced. */
  function withOurs(text: string): string {
    const ours: [string, string][] = [
      ['server 127.0.0.1:3000 ', `server 127.0.0.1:${ports.app} `],
      ['listen 80;', `listen 127.0.0.1:${ports.http};`],
      ['listen 443 ssl http2;', `listen 127.0.0.1:${ports.https} ssl http2;`],
      ['/etc/ssl/certs/app-template.pem', join(folder, 'cert.pem')],
      ['/etc/ssl/private/app-template.key', join(folder, 'key.pem')],
      ['/srv/app-template/public', join(folder, 'public')],
    ];
    return ours.reduce((config, [theirs, own]) => {
      assert.ok(config.includes(theirs), `the site has ${theirs}`);
      return config.replace(theirs, own);
    }, text);
  }

  /** One request over TLS, on a connection of its own, from any address in 127.0.0.0/8. */
  const through = (path: string, options: { headers?: http.OutgoingHttpHeaders; from?: string; body?: string } = {}) =>
    ask({
      port: ports.https,
      path,
      secure: true,
      agent: new https.Agent({ keepAlive: false }),
      headers: options.headers ?? {},
      localAddress: options.from ?? '127.0.0.1',
      ...(options.body === undefined
        ? {}
        : { method: 'POST', send: (request: http.ClientRequest) => void request.end(options.body) }),
    });

  it('ends TLS, and sends clients without it there', async () => {
    const plain = await get({ port: ports.http, path: '/notes?a=1', headers: { host: 'example.com' } });
    assert.equal(plain.status, 308);
    assert.equal(plain.headers.location, 'https://example.com/notes?a=1');
    const { status, headers } = await through('/');
    assert.equal(status, 200);
    assert.match(String(headers['strict-transport-security']), /max-age=\d+/);
    assert.doesNotMatch(String(headers.server), /\d/, 'no version for strangers');
  });

  it('serves static files by itself, compressed and to be kept', async () => {
    const { status, headers, body } = await through('/static/page.css', { headers: { 'accept-encoding': 'gzip' } });
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/css');
    assert.equal(headers['content-encoding'], 'gzip');
    assert.equal(headers['cache-control'], 'max-age=3600');
    assert.ok(body.length < 1_000);
    assert.match((await through('/static/style.css')).body, /^\/\* Served by nginx/);
    const missing = await through('/static/none.css');
    assert.equal(missing.status, 404);
    assert.match(missing.body, /nginx/);
  });

  it('compresses what the service answers', async () => {
    const headers = { 'content-type': 'application/json', 'accept-encoding': 'gzip' };
    for (let note = 0; note < 4; note++)
      assert.equal((await through('/notes', { headers, body: `{"text":"${'x'.repeat(1_000)}"}` })).status, 201);
    const compressed = async () => (await through('/notes', { headers })).headers['content-encoding'] === 'gzip';
    await waitFor(compressed, { what: 'the answer of a worker that has a note' });
  });

  it('keeps what is for those who run the service from its clients', async () => {
    assert.equal((await through('/ops/status')).status, 404);
    assert.equal((await through('/health/ready')).status, 200);
    assert.equal((await through('/health/ready', { from: '127.0.0.9' })).status, 403);
  });

  it('refuses a body that is too large before the service sees it', async () => {
    assert.equal((await through('/notes', { body: 'x'.repeat(110_000) })).status, 413);
  });

  it('holds one address to its rate, and nobody else', async () => {
    const statuses: number[] = [];
    const hasty = Array.from({ length: 8 }, () =>
      requests(
        { port: ports.https, path: '/', secure: true, localAddress: '127.0.0.66' },
        ({ status }) => statuses.push(status) > 0,
        0,
      ),
    );
    await waitFor(() => statuses.includes(429), { what: 'a request that was too much', timeoutMs: 30_000 });
    assert.equal((await through('/', { from: '127.0.0.67' })).status, 200);
    await Promise.all(hasty.map((client) => client.stop()));
    // Refusals overtake the answers that are still on their way: 8 at most.
    assert.ok(statuses.indexOf(429) >= 100 - hasty.length, `after ${statuses.indexOf(429)} requests`);
  });

  it('ends idle connections to the service before the service does', async () => {
    const { headers } = await get({ port: ports.app, headers: { connection: 'keep-alive' } });
    const appSeconds = Number(/timeout=(\d+)/.exec(String(headers['keep-alive']))?.[1]);
    const nginxSeconds = Number(/upstream [^}]*keepalive_timeout (\d+)s;/.exec(site)?.[1]);
    assert.ok(nginxSeconds < appSeconds, `nginx ${nginxSeconds} s, the service ${appSeconds} s`);
  });

  it('answers every request during a reload: no 502, none hangs', async () => {
    const clients = Array.from({ length: CLIENTS }, (_, n) =>
      requests(
        { port: ports.https, path: '/', secure: true, localAddress: `127.0.1.${n + 1}` },
        ({ status }: Answer) => status === 200,
        30,
      ),
    );
    const done = () => clients.reduce((sum, { tally }) => sum + tally.done, 0);
    await waitFor(() => done() > 200, { what: 'load' });
    const before = (await pm2.processes('app-template')).map(({ pid }) => pid);
    await pm2.ok('reload', 'app-template');
    const tallies = await Promise.all(clients.map((client) => client.stop()));
    assert.deepEqual(Object.assign({}, ...tallies.map(({ failures }) => failures)), {}, nginx.errorLog());
    assert.doesNotMatch(nginx.errorLog(), /\[(error|crit|alert)\].*upstream/);
    const now = (await pm2.processes('app-template')).map(({ pid }) => pid);
    assert.ok(before.every((pid) => !now.includes(pid)));
    console.log(`${done()} requests through nginx over a reload of ${now.length} workers: none failed`);
  });
});
