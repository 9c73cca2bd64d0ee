import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Alert, AlertsReply } from '../../../contract/alerts.ts';
import type { DoctorReply } from '../../../contract/commandMessages.ts';
import { MODULE_FILE } from '../../../contract/names.ts';
import { command } from '../../../testkit/command.ts';
import { startWithModule } from '../../../testkit/installed.ts';
import type { Pm2 } from '../../../testkit/pm2.ts';
import { waitFor } from '../../../testkit/wait-for.ts';

describe('pm2-ops alerts', () => {
  let pm2: Pm2;
  let server: http.Server;
  let status = 200;
  const got: (Alert | { text: string })[] = [];
  before(async () => {
    server = http.createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => {
        body += String(part);
      });
      request.on('end', () => {
        got.push(JSON.parse(body) as Alert);
        response.writeHead(status).end('nobody is on call');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    pm2 = await startWithModule();
    // The command finds PM2 with it.
    await waitFor(() => existsSync(join(pm2.home, 'pm2-ops', MODULE_FILE)), { what: "the module's own file" });
  });
  after(async () => {
    server.close();
    await pm2.kill();
  });
  const set = (key: string, value: string) => pm2.ok('set', `pm2-ops:${key}`, value);

  it('says that they are off, and how to turn them on', async () => {
    const { code, stdout, stderr } = await command(pm2, 'alerts');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^alerts are off; to turn them on: pm2 set pm2-ops:alert_url/m);
    assert.match(stdout, /^no incident is open$/m);
    const test = await command(pm2, 'alerts', '--test');
    assert.equal(test.code, 1);
    assert.match(test.stderr, /alerts are off.*\(E_STATE\)\nset one: pm2 set pm2-ops:alert_url/);
  });

  it('--test sends one to webhook and program, and says what came back', async () => {
    const { port } = server.address() as { port: number };
    const [program, seen] = [join(pm2.folder, 'notify'), join(pm2.folder, 'seen')];
    writeFileSync(program, `#!/bin/sh\ncat > ${seen}\n`, { mode: 0o700 });
    await set('alert_url', `http://ops:hunter22@127.0.0.1:${port}/services/xyzzy?key=sesame`);
    await set('alert_exec', program);
    const { code, stdout } = await command(pm2, 'alerts', '--test');
    assert.match(stdout, /^✔ webhook: 127\.0\.0\.1:\d+ answered 200 \(\d+ ms\)$/m);
    assert.match(stdout, /^✔ program: \S+notify exited with 0 \(\d+ ms\)$/m);
    assert.equal(code, 0);
    const [sent] = got as Alert[];
    assert.deepEqual(
      [sent?.key, sent?.state, sent?.title],
      ['test', 'firing', 'a test: alerts of pm2-ops arrive here'],
    );
    assert.equal((JSON.parse(readFileSync(seen, 'utf8')) as Alert).id, sent?.id);
    const shown = JSON.parse((await command(pm2, 'alerts', '--json')).stdout) as AlertsReply;
    assert.deepEqual(
      shown.channels.map(({ channel, to }) => [channel, to]),
      [
        ['webhook', `127.0.0.1:${port}`],
        ['program', program],
      ],
    );
  });

  it('--test says what is wrong, doctor says what nobody would run, and neither says a secret', async () => {
    status = 503;
    chmodSync(join(pm2.folder, 'notify'), 0o777);
    const { code, stdout } = await command(pm2, 'alerts', '--test');
    assert.equal(code, 1);
    assert.match(stdout, /^✖ webhook: 127\.0\.0\.1:\d+: answered 503: nobody is on call \(\d+ ms\)$/m);
    assert.match(stdout, /^✖ program: \S+notify is not run, because another user can change/m);
    const doctor = JSON.parse((await command(pm2, 'doctor', '--json')).stdout) as DoctorReply;
    const finding = doctor.findings.find(({ check }) => check === 'alerts');
    assert.equal(finding?.severity, 'error');
    assert.match(finding?.what ?? '', /no alert is delivered: \S+notify is not run/);
    assert.deepEqual(finding?.commands, ['pm2-ops alerts --test']);
    const outputs = await Promise.all(['status', 'alerts', 'doctor'].map((name) => command(pm2, name, '--json')));
    const everything = stdout + outputs.map((output) => output.stdout + output.stderr).join('') + pm2.logs();
    assert.match(everything, /"alert_url": "http:\/\/127\.0\.0\.1:\d+\/…"/);
    assert.doesNotMatch(everything, /hunter22|xyzzy|sesame/);
    status = 200;
  });

  it("--test sends Slack's form where that is set", async () => {
    await set('alert_format', 'slack');
    got.length = 0;
    await command(pm2, 'alerts', '--test');
    assert.match((got[0] as { text: string }).text, /^\*🔵 info\* on .+\n```\na test: alerts of pm2-ops arrive here\n/);
  });
});
