import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { basename, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { nodes } from '../../testkit/nodes.ts';
import { waitFor } from '../../testkit/wait-for.ts';
import { limitAddressSpace } from '../support/limits.ts';

const TOKEN = 'a-token-for-the-tests-0123456789';

const newest = nodes().at(-1)!;

interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json: Record<string, unknown>;
}

class App {
  output = '';
  readonly folder = tempFolder();
  readonly child: ChildProcess;
  port = 0;

  constructor(framework: string, env: NodeJS.ProcessEnv = {}) {
    this.child = fork(app('maintenance.mjs'), [framework, this.folder, TOKEN], {
      env: cleanEnvironment(env),
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // One of them on the newest Node: the routes need nothing of a framework.
      execPath: framework === 'http' ? newest.path : process.execPath,
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
  }

  async listening(): Promise<this> {
    [this.port] = (await once(this.child, 'message')) as [number];
    return this;
  }

  ask(method: string, path: string, token: string | undefined = TOKEN): Promise<Answer> {
    const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
    return new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(chunks);
          const isJson = /json/.test(String(response.headers['content-type']));
          const json = isJson ? (JSON.parse(body.toString()) as Record<string, unknown>) : {};
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body, json });
        });
      });
      asked.on('error', reject);
      asked.end();
    });
  }

  files(kind: string): string[] {
    return readdirSync(join(this.folder, kind)).sort();
  }
}

for (const framework of ['express-4', 'express-5', 'http'])
  describe(`pm2-ops/maintenance with ${framework}`, () => {
    let service: App;
    before(async () => {
      service = await new App(framework, { LEAKS: '1' }).listening();
    });
    after(() => service?.child.kill('SIGKILL'));

    it('answers the status of the process and of the app, to be stored by no cache', async () => {
      const { status, headers, json } = await service.ask('GET', '/ops/status');
      assert.deepEqual([status, headers['cache-control']], [200, 'no-store']);
      assert.deepEqual([json.state, json.pid, typeof json.uptimeSeconds], ['serving', service.child.pid, 'number']);
      assert.ok(Number((json.memory as NodeJS.MemoryUsage).heapUsed) > 0);
    });

    it('leaves every other path to the app', async () => {
      for (const path of ['/', '/status', '/opsstatus'])
        assert.equal(String((await service.ask('GET', path, '')).body), 'the app');
    });

    it('answers problems, with no word to strangers', async () => {
      const problem = (status: number, title: string) => ({ type: 'about:blank', title, status });
      const missing = await service.ask('GET', '/ops/status', '');
      assert.deepEqual([missing.status, missing.json], [401, problem(401, 'Unauthorized')]);
      assert.deepEqual(
        [missing.headers['content-type'], missing.headers['www-authenticate']],
        ['application/problem+json', 'Bearer'],
      );
      const wrong = await service.ask('POST', '/ops/heapdump', `${TOKEN}x`);
      assert.deepEqual([wrong.status, wrong.json], [403, problem(403, 'Forbidden')]);
      const nothing = await service.ask('GET', '/ops/nothing', '');
      assert.equal(nothing.status, 401, 'a stranger does not learn which routes there are');
      assert.deepEqual((await service.ask('GET', '/ops/nothing')).json, problem(404, 'Not Found'));
      const method = await service.ask('DELETE', '/ops/heapdump');
      assert.deepEqual([method.status, method.headers.allow], [405, 'POST, GET']);
      const { status, json } = await service.ask('POST', '/ops/leak-report?seconds=1');
      assert.deepEqual([status, json.code], [400, 'E_PARAMS']);
      assert.equal(json.detail, 'seconds must be a whole number from 5 to 3600, got "1"');
    });

    it('writes heap dumps that only this user can read, and keeps the newest', async () => {
      const dumps: string[] = [];
      for (const query of ['', '?gzip=true', '?gzip=true&force=true']) {
        const { status, json } = await service.ask('POST', `/ops/heapdump${query}`);
        assert.equal(status, 200, JSON.stringify(json));
        dumps.push(String(json.file));
        assert.equal(statSync(String(json.file)).size, json.bytes);
        assert.equal(statSync(String(json.file)).mode & 0o777, 0o600);
        assert.equal(statSync(dirname(String(json.file))).mode & 0o777, 0o700);
      }
      assert.deepEqual(
        service.files('dumps'),
        dumps
          .slice(1)
          .map((file) => basename(file))
          .sort(),
      );
      const { snapshot } = JSON.parse(gunzipSync(readFileSync(dumps[2]!)).toString());
      assert.ok(snapshot.node_count > 10_000);
    });

    it('sends a heap dump, which it does not keep, and removes none for it', async () => {
      const before = service.files('dumps');
      const { status, headers, body } = await service.ask('GET', '/ops/heapdump?gzip=true');
      assert.equal(status, 200);
      assert.match(
        String(headers['content-disposition']),
        /^attachment; filename="my_app~[0-9a-f]{8}-0-\d+-\d{8}T\d{9}Z\.heapsnapshot\.gz"$/,
      );
      assert.equal(Number(headers['content-length']), body.length);
      assert.ok(JSON.parse(gunzipSync(body).toString()).snapshot.node_count > 10_000);
      assert.deepEqual(service.files('dumps'), before);
      const posted = await service.ask('POST', '/ops/heapdump?download=true');
      assert.ok(JSON.parse(posted.body.toString()).strings.includes(TOKEN), 'it holds secrets, as SECURITY says');
      assert.deepEqual(service.files('dumps'), before);
    });

    // The verdict needs time, and is the same whatever the framework.
    const seconds = framework === 'http' ? 12 : 5;
    it('tells whether it leaks and where, and does one thing at a time', async () => {
      const report = service.ask('POST', `/ops/leak-report?seconds=${seconds}`);
      await waitFor(async () => (await service.ask('POST', '/ops/heapdump')).json.code === 'E_BUSY', {
        what: 'the report to run',
      });
      const { status, json } = await report;
      assert.equal(status, 200, JSON.stringify(json));
      if (framework === 'http') assert.equal(json.verdict, 'growing', JSON.stringify(json));
      const [site] = json.sites as { function: string; file: string }[];
      assert.deepEqual([site?.function, site?.file], ['keepForEver', app('maintenance.mjs')]);
      assert.deepEqual(service.files('profiles'), [basename(String(json.file))]);
    });

    it('refuses a dump for which memory is too small, with the figures', async () => {
      const undo = limitAddressSpace(service.child.pid!, 100 * 2 ** 20);
      try {
        const { status, json } = await service.ask('POST', '/ops/heapdump');
        assert.deepEqual([status, json.code], [503, 'E_MEMORY']);
        assert.match(String(json.detail), /needs about \d+ MB more memory, and ulimit -v \(\d+ MB\) has \d+ MB/);
        assert.match(String(json.hint), /force=true/);
      } finally {
        undo();
      }
    });

    it('gives a report up when the client leaves', async () => {
      const left = request({
        ...{ host: '127.0.0.1', port: service.port, method: 'POST', path: '/ops/leak-report?seconds=3600' },
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      left.on('error', () => {});
      left.end();
      await waitFor(async () => (await service.ask('POST', '/ops/heapdump')).json.code === 'E_BUSY', {
        what: 'it to run',
      });
      left.destroy();
      await waitFor(async () => (await service.ask('POST', '/ops/heapdump')).status === 200, { what: 'it to end' });
    });

    it('refuses a client altogether that sends many wrong tokens; the log names it, and no secret', async () => {
      const statuses: number[] = [];
      for (let i = 0; i < 12; i++) statuses.push((await service.ask('GET', '/ops/status', 'wrong')).status);
      const over = statuses.indexOf(429);
      assert.ok(over > 0 && over <= 10, String(statuses));
      const refused = await service.ask('GET', '/ops/status');
      assert.deepEqual([refused.status, refused.headers['retry-after']], [429, '60']);
      assert.match(
        service.output,
        /"level":"error","message":"ops: 10 wrong tokens from .*127\.0\.0\.1, refused for 60 s"/,
      );
      assert.match(
        service.output,
        /"message":"ops: refused, no token","address":"[^"]*127\.0\.0\.1","path":"\/ops\/status"/,
      );
      assert.doesNotMatch(service.output, new RegExp(TOKEN));
      assert.doesNotMatch(service.output, /Error|failed/);
    });
  });
