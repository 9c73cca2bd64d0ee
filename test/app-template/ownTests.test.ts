import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { before, describe, it } from 'node:test';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { nodes } from '../../testkit/nodes.ts';
import { run } from '../../testkit/run.ts';
import { ensureTemplateBuilt, TEMPLATE } from '../../testkit/template.ts';

describe('app-template', () => {
  before(() => ensureTemplateBuilt());

  for (const { path, version } of nodes()) {
    it(`passes its own tests (Node ${version})`, async () => {
      const env = cleanEnvironment({ PATH: `${dirname(path)}:${process.env.PATH}` });
      const { code, stdout, stderr } = await run('npm', ['test'], { cwd: TEMPLATE, env, timeoutMs: 240_000 });
      assert.equal(code, 0, `${stdout}\n${stderr}`);
      assert.match(stdout, /^ℹ pass [1-9]/m);
      assert.match(stdout, /^ℹ fail 0$/m);
    });
  }
});
