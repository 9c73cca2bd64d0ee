import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnvironment } from '../support/environment.ts';
import { tempFolder, WORKSPACE } from '../support/folders.ts';
import { manifest, packModule } from '../support/package.ts';
import { runOk } from '../support/run.ts';

const DOCS = ['README.md', 'LICENSE', 'ARCHITECTURE.md', 'CHANGELOG.md', 'SECURITY.md'];

describe('the package', () => {
  it('holds what users need, and nothing else', async () => {
    const tarball = await packModule();
    const { stdout } = await runOk('tar', ['-tzf', tarball]);
    const files = stdout
      .trim()
      .split('\n')
      .map((file) => file.replace(/^package\//, ''));
    const unexpected = files.filter(
      (file) =>
        file !== 'package.json' && !DOCS.includes(file) && !/^dist\/[\w.-]+\.([cm]js|d\.[cm]ts|txt)$/.test(file),
    );
    assert.deepEqual(unexpected, []);
    for (const file of ['dist/main.mjs', 'dist/agent.cjs', 'dist/cli.mjs', 'dist/guard.cjs'])
      assert.ok(files.includes(file), `${file} is in the package`);
    assert.ok(statSync(tarball).size < 2 * 2 ** 20, 'smaller than 2 MiB');
  });

  it('brings no other package along', () => {
    assert.deepEqual(manifest.dependencies ?? {}, {});
  });

  it('passes publint', async () => {
    const tarball = await packModule();
    const folder = tempFolder('po-publint-');
    await runOk('tar', ['-xzf', tarball, '-C', folder]);
    const publint = join(WORKSPACE, 'node_modules', 'publint', 'src', 'cli.js');
    const { stdout } = await runOk(
      process.execPath,
      [publint, join(folder, 'package'), '--strict', '--level', 'warning', '--pack', 'false'],
      {
        env: cleanEnvironment(),
      },
    );
    assert.match(stdout, /All good/);
  });
});
