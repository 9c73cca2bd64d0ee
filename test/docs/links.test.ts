import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../../testkit/folders.ts';
import { markdownFiles } from './files.ts';
import { anchorsOf, fencesOf, linksOf } from './markdown.ts';

const LONGEST_README = 1_500;

describe('the docs', () => {
  it('lead only to files and headings that exist', () => {
    const broken = markdownFiles().flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      return linksOf(text)
        .filter(({ path, anchor }) => {
          const target = path === '' ? file : resolve(dirname(file), decodeURI(path));
          if (!existsSync(target)) return true;
          return anchor !== undefined && !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
        })
        .map(({ path, anchor }) => `${relative(ROOT, file)}: ${path}${anchor === undefined ? '' : `#${anchor}`}`);
    });
    assert.deepEqual(broken, []);
  });

  it('name only files of this project that exist', () => {
    const missing = markdownFiles().flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      const named = text.matchAll(
        /`((?:agent|cli|contract|diagnostics|drain|lifecycle|maintenance|module|scripts|shared|test|testkit)\/[\w./-]*)`/g,
      );
      return [...named]
        .map(([, path = '']) => path)
        .filter((path) => !existsSync(join(ROOT, path)))
        .map((path) => `${relative(ROOT, file)}: ${path}`);
    });
    assert.deepEqual(missing, []);
  });

  it('show the house as it is', () => {
    const [house] = fencesOf(readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8'));
    const folders: string[] = [];
    const paths = house!.lines.map((line) => {
      const [, indent = '', name = ''] = /^( *)(\S+)/.exec(line)!;
      const depth = indent.length / 2;
      folders.length = depth;
      folders.push(name);
      return folders.join('');
    });
    assert.ok(paths.includes('module/operations/reload/'), 'the tree was read');
    assert.deepEqual(
      paths.filter((path) => !existsSync(join(ROOT, path))),
      [],
    );
  });

  it('show a real action as the example', () => {
    const sources = ['contract/actions/gc.ts', 'agent/actions/gc.ts', 'cli/agentCommands.ts'];
    const code = sources.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
    const lines = new Set(code.split('\n').map((line) => line.trim()));
    const shown = fencesOf(readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8'))
      .filter(({ language }) => language === 'ts')
      .flatMap((fence) => fence.lines);
    assert.ok(shown.length > 15, `${shown.length} lines`);
    assert.deepEqual(
      shown.filter((line) => !lines.has(line.trim())),
      [],
    );
  });

  it('begin with a README that is read in a few minutes', () => {
    const words = readFileSync(join(ROOT, 'README.md'), 'utf8').trim().split(/\s+/);
    assert.ok(words.length <= LONGEST_README, `${words.length} words`);
  });
});
