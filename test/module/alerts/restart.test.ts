import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Alert, AlertsReply } from '../../../contract/alerts.ts';
import type { ExitRecord } from '../../../contract/exits.ts';
import { tempFolder } from '../../../testkit/folders.ts';
import { waitFor } from '../../../testkit/wait-for.ts';
import type { AlertsProcessOptions } from './alertsProcess.ts';
import { exitAt } from './records.ts';

const FILE = fileURLToPath(new URL('alertsProcess.ts', import.meta.url));
/** Crashes are told after 25 milliseconds, and over after a second and a half. */
const SPEED = 200;

describe('alerts over restarts of the module', () => {
  const got: Alert[] = [];
  /** The status of the next answers; 200 when there is none left, 0 for no answer at all. */
  let answers: number[] = [];
  let server: http.Server;
  let folder: string;
  let child: ChildProcess | undefined;
  let output = '';
  before(async () => {
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => {
        body += String(part);
      });
      request.on('end', () => {
        got.push(JSON.parse(body) as Alert);
        const status = answers.shift() ?? 200;
        if (status !== 0) response.writeHead(status).end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  // A test that fails leaves its process running, which would keep this one alive.
  afterEach(() => void child?.kill('SIGKILL'));
  beforeEach(() => {
    got.length = 0;
    answers = [];
    folder = tempFolder();
  });

  const told = () => got.map(({ state, count }) => `${state} ${count}`);

  async function start(speed = SPEED): Promise<ChildProcess> {
    const { port } = server.address() as { port: number };
    const options: AlertsProcessOptions = {
      ...{ folder, speed },
      settings: { alert_url: `http://ops:hunter22@127.0.0.1:${port}/xyzzy?key=sesame` },
    };
    child = fork(FILE, [JSON.stringify(options)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const pipe of [child.stdout, child.stderr])
      pipe?.on('data', (part: Buffer) => {
        output += String(part);
      });
    await once(child, 'message');
    return child;
  }

  async function kill(process: ChildProcess): Promise<void> {
    process.kill('SIGKILL');
    await once(process, 'exit');
  }

  async function exits(process: ChildProcess, record: ExitRecord): Promise<AlertsReply> {
    process.send(record);
    const [reply] = (await once(process, 'message')) as [AlertsReply];
    return reply;
  }

  it('a crash loop is one alert and one “over”, although the webhook fails at first', async () => {
    answers = [500, 500];
    const process = await start();
    for (let n = 0; n < 10; n++) {
      const at = Date.now();
      await exits(process, exitAt(at, { id: `exit-${n}` }));
      await exits(process, exitAt(at, { id: `exit-${n}`, followed: { is: 'started', pid: 1, afterMs: 1 } }));
    }
    await waitFor(() => told().includes('resolved 10'), { what: 'the end', timeoutMs: 30_000 });
    assert.deepEqual(
      got.map(({ state }) => state),
      ['firing', 'firing', 'firing', 'resolved'],
    );
    assert.equal(new Set(got.map(({ id }) => id)).size, 2);
    await kill(process);
  });

  it('a module that is killed before it has told of an incident tells of it when it runs again, once', async () => {
    // At its own speed the first one would tell after five seconds.
    const first = await start(1);
    const { open } = await exits(first, exitAt(Date.now()));
    assert.equal(open.length, 1);
    await kill(first);
    assert.deepEqual(told(), []);
    const second = await start();
    await waitFor(() => told().length > 0, { what: 'the alert' });
    await kill(second);
    const third = await start();
    await waitFor(() => told().length > 1, { what: 'the end of the incident', timeoutMs: 30_000 });
    assert.deepEqual(told(), ['firing 1', 'resolved 1']);
    await kill(third);
  });

  it('a module that is killed while it delivers delivers again, under the same id', async () => {
    answers = [0];
    const first = await start();
    await exits(first, exitAt(Date.now()));
    await waitFor(() => got.length === 1, { what: 'the first try' });
    await kill(first);
    const second = await start();
    await waitFor(() => got.length >= 2, { what: 'the second try' });
    assert.equal(got[0]?.id, got[1]?.id);
    await kill(second);
  });

  it('no secret is in an alert, in a log or on the disk, and what is on the disk is private', async () => {
    answers = [500];
    output = '';
    const process = await start();
    const secret = 'postgres://app:correct-horse@db/shop';
    await exits(
      process,
      exitAt(Date.now(), { headline: `cannot reach ${secret}`, evidence: [`url=${secret}`], stderr: [secret] }),
    );
    await waitFor(() => got.length >= 2, { what: 'a failed try, and one that is taken' });
    const files = readdirSync(folder).map((name) => join(folder, name));
    const everything = JSON.stringify(got) + output + files.map((file) => readFileSync(file, 'utf8')).join('');
    assert.match(everything, /cannot reach postgres:\/\/app:\[redacted\]@db\/shop/);
    assert.match(output, /not delivered: 127\.0\.0\.1:\d+: answered 500/);
    assert.doesNotMatch(everything, /correct-horse|hunter22|xyzzy|sesame/);
    assert.deepEqual(
      files.map((file) => statSync(file).mode & 0o777),
      [0o600],
    );
    await kill(process);
  });

  it('a broken file of an older run is left, and alerts begin anew', async () => {
    writeFileSync(join(folder, 'alerts.json'), '{"version":1,"incidents":{"open":[{"key":3}]}');
    output = '';
    const process = await start();
    await exits(process, exitAt(Date.now()));
    await waitFor(() => told().length > 0, { what: 'the alert' });
    assert.match(output, /begins anew, because \S+alerts\.json cannot be read/);
    await kill(process);
  });
});
