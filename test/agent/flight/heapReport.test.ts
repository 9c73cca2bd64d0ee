import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { HEAP_REPORTS_FOLDER } from '../../../contract/lastWords.ts';
import { heapReportsOf, stripReport } from '../../../module/figures/heapReport.ts';
import { startAgentProcess } from '../../../testkit/agentProcess.ts';
import { app, tempFolder } from '../../../testkit/folders.ts';
import { get, untilServing } from '../../../testkit/load.ts';
import { nodes } from '../../../testkit/nodes.ts';
import { freePort, waitFor, within } from '../../../testkit/wait-for.ts';

const SECRET = 'swordfish-4711';

for (const { path: node, version } of nodes()) {
  describe(`a heap that is nearly full on Node ${version}`, { concurrency: 2 }, () => {
    it('has V8 leave a report, out of which the module takes the secrets', async () => {
      const { child, stateDir, ask } = await start();
      const ended = once(child, 'exit');
      await ask('/grow');
      assert.deepEqual(await within(90_000, 'its heap to be full', ended), [null, 'SIGABRT']);
      const [file, ...others] = heapReportsOf(stateDir, child.pid!);
      assert.deepEqual(others, []);
      assert.equal(statSync(join(stateDir, HEAP_REPORTS_FOLDER)).mode & 0o777, 0o700);
      const summary = stripReport(file!)!;
      assert.match(summary.event, /heap/i);
      assert.ok(summary.heapUsedBytes > 30 * 2 ** 20, JSON.stringify(summary));
      assert.ok(Math.abs(Date.now() - summary.at) < 600_000);
      assert.equal(statSync(file!).mode & 0o777, 0o600);
      const text = readFileSync(file!, 'utf8');
      assert.doesNotMatch(text, new RegExp(SECRET));
      assert.ok(JSON.parse(text).javascriptHeap);
    });

    it('changes nothing for good: the reports of the app go where they went, before and after', async () => {
      const { stateDir, cwd, ask, kill } = await start();
      const folder = join(stateDir, HEAP_REPORTS_FOLDER);
      assert.ok(existsSync(join(cwd, (await ask('/report')).body)));
      await ask('/grow');
      await waitFor(async () => (await settings(ask)).directory === folder, {
        what: 'it to be nearly full',
        timeoutMs: 60_000,
      });
      await ask('/rest');
      await ask('/free');
      const after = await waitFor(
        async () => {
          // Requests are garbage, which V8 collects with the rest.
          for (let i = 0; i < 50; i++) await ask('/');
          const now = await settings(ask);
          return now.directory === '' && now;
        },
        { what: 'it to be free again', timeoutMs: 60_000 },
      );
      assert.equal(after.reportOnFatalError, false);
      assert.ok(existsSync(join(cwd, (await ask('/report')).body)));
      assert.deepEqual(existsSync(folder) ? readdirSync(folder) : [], []);
      kill();
    });

    it('leaves the reports of an app alone that has its own', async () => {
      const own = tempFolder();
      const { child, stateDir, ask } = await start(['--report-on-fatalerror', `--report-directory=${own}`]);
      const ended = once(child, 'exit');
      await ask('/grow');
      await within(90_000, 'its heap to be full', ended);
      assert.equal(existsSync(join(stateDir, HEAP_REPORTS_FOLDER)), false);
      assert.equal(readdirSync(own).length, 1);
    });
  });

  async function start(flags: string[] = []) {
    const stateDir = tempFolder();
    const cwd = tempFolder();
    const port = await freePort();
    const started = await startAgentProcess(app('full-heap.cjs'), {
      stateDir,
      node,
      flags: ['--max-old-space-size=48', ...flags],
      args: [`--password=${SECRET}`],
      env: { PORT: String(port), DB_PASSWORD: SECRET },
      cwd,
    });
    await untilServing({ port });
    return { ...started, stateDir, cwd, ask: (path: string) => get({ port, path }) };
  }
}

async function settings(ask: (path: string) => ReturnType<typeof get>) {
  return JSON.parse((await ask('/settings')).body) as { directory: string; reportOnFatalError: boolean };
}
