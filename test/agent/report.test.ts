import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type AgentProcess, startAgentProcess } from '../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { untilServing } from '../../testkit/load.ts';
import { nodes } from '../../testkit/nodes.ts';
import { ensureBuilt } from '../../testkit/package.ts';
import { freePort } from '../../testkit/wait-for.ts';

interface Report {
  ok: boolean;
  file: string;
  bytes: number;
}

before(() => ensureBuilt());

for (const node of nodes()) {
  describe(`report on Node ${node.major}`, () => {
    let agent: AgentProcess | undefined;
    after(() => agent?.kill());

    it("is Node's own, private, and without what the app was given in secret, worker threads included", async () => {
      const port = await freePort();
      const args = [
        '--token=secret-1',
        '--password',
        'secret-2',
        '-psecret-3',
        'postgres://app:secret-4@db/shop',
        '--debug',
      ];
      agent = await startAgentProcess(app('secrets.cjs'), {
        stateDir: tempFolder(),
        node: node.path,
        args,
        env: { PORT: String(port), DATABASE_PASSWORD: 'secret-of-the-shell' },
      });
      await untilServing({ port }, 60_000);
      const { file, bytes } = await agent.run<Report>('report');
      const text = readFileSync(file, 'utf8');
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal(bytes, Buffer.byteLength(text));
      assert.deepEqual([...text.matchAll(/secret-(?:\d|of-the-\w+)/g)].map(String), []);
      const report = JSON.parse(text) as {
        header: { processId: number; commandLine: string[]; networkInterfaces?: object };
        javascriptHeap: object;
        workers: { header: object; environmentVariables?: object }[];
      };
      assert.equal(report.header.processId, agent.child.pid);
      assert.equal(report.header.networkInterfaces, undefined);
      assert.ok(report.javascriptHeap);
      assert.equal(report.workers.length, 1);
      assert.deepEqual(report.header.commandLine.slice(-args.length - 1), [
        app('secrets.cjs'),
        '--token=(removed)',
        '--password',
        '(removed)',
        '(removed)',
        '(removed)',
        '--debug',
      ]);
    });
  });
}
