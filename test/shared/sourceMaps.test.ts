import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { build } from 'esbuild';
import { originalsOf } from '../../shared/sourceMaps.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';

describe('source maps', () => {
  it('of a minified bundle give the same lines as Node itself does, for positions in any order', async () => {
    const folder = tempFolder();
    const { outputFiles } = await build({
      absWorkingDir: ROOT,
      entryPoints: ['agent/index.ts'],
      bundle: true,
      minify: true,
      platform: 'node',
      sourcemap: true,
      write: false,
      outfile: join(folder, 'bundle.js'),
    });
    for (const { path, contents } of outputFiles) writeFileSync(path, contents);
    const [map, code] = outputFiles.map(({ text }) => text);
    const node = new SourceMap(JSON.parse(map!) as ConstructorParameters<typeof SourceMap>[0]);
    // A text of several lines in the code is several lines in the bundle, too.
    const lengths = code!.split('\n').map(({ length }) => length);
    const longest = Math.max(...lengths);
    const line = lengths.indexOf(longest);
    const columns = Array.from({ length: 200 }, (_, i) => (i * 7919) % Math.min(50_000, longest));
    const found = await originalsOf(
      join(folder, 'bundle.js'),
      columns.map((column) => ({ line, column })),
    );
    for (const [i, column] of columns.entries()) {
      const entry = node.findEntry(line, column);
      const expected =
        'originalSource' in entry && entry.originalSource !== undefined
          ? { file: join(folder, entry.originalSource), line: entry.originalLine + 1 }
          : undefined;
      assert.deepEqual(found[i], expected, `column ${column}`);
    }
    assert.ok(found.filter(Boolean).length > 150);
  });

  it('that are no source maps leave a position as it is', async () => {
    const folder = tempFolder();
    const broken = [
      '',
      'nonsense',
      '{}',
      '{"version":3,"sources":[],"mappings":"AAAA"}',
      '{"version":3,"sources":["a.ts"],"mappings":"???"}',
      '{"version":3,"sources":["a.ts"],"mappings":"AAAAAAAAAA"}',
      '{"version":3,"sources":[null],"mappings":"AAAA"}',
      '{"version":3,"sections":[{"map":{"sources":["a.ts"],"mappings":"AAAA"}}]}',
    ];
    for (const [i, map] of broken.entries()) {
      const script = join(folder, `${i}.js`);
      writeFileSync(script, `code();\n//# sourceMappingURL=${i}.js.map\n`);
      writeFileSync(`${script}.map`, map);
      assert.deepEqual(await originalsOf(script, [{ line: 0, column: 0 }]), [undefined], map);
    }
    for (const url of [
      '',
      'node:fs',
      '/no/such/file.js',
      'file:///no/such/file.js',
      'file://%',
      'evalmachine.<anonymous>',
    ]) {
      assert.deepEqual(await originalsOf(url, [{ line: 0, column: 0 }]), [undefined], url);
    }
  });

  it('of what is no file, such as a pipe that nobody writes to, are not waited for', async () => {
    const folder = tempFolder();
    execFileSync('mkfifo', [join(folder, 'pipe.js')]);
    writeFileSync(join(folder, 'piped.js'), '//# sourceMappingURL=pipe.js\n');
    for (const script of ['pipe.js', 'piped.js'])
      assert.deepEqual(await originalsOf(join(folder, script), [{ line: 0, column: 0 }]), [undefined]);
  });
});
